"""The Deployment that serves a published model."""

from pathlib import PurePosixPath

from finetune_api.handoff import SCRATCH_DIRECTORY, SERVED_MODEL_DIRECTORY, SERVING_PORT, VOLUMES_DIRECTORY
from finetune_api.keys import (
    ANNOTATION_DIGEST,
    LABEL_COMPONENT,
    LABEL_JOB_UID,
    LABEL_RUN,
    Component,
)
from finetune_api.parts.sources import Source, parse_source
from finetune_api.spec.serving import ServingStrategy
from finetune_api.status import ArtifactStatus
from finetune_operator.desired.metadata import child, deployment_name
from finetune_operator.desired.pod import container, pod_metadata, pod_spec
from finetune_operator.desired.volumes import Volumes
from finetune_operator.kinds import DEPLOYMENT, Manifest
from finetune_operator.resource.containers import FETCH, SERVER
from finetune_operator.resource.fine_tune_job import FineTuneJob

COMMAND = ["python", "-m", "finetune_trainer"]
STRATEGIES: dict[ServingStrategy, Manifest] = {
    # The pods that serve go only when their successors are ready.
    ServingStrategy.ROLLING_UPDATE: {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    },
    ServingStrategy.RECREATE: {"type": "Recreate"},
}
LOADING_SECONDS = 3600
ENDPOINT_GRACE_SECONDS = 3
EXIT_SECONDS = 2


def selector(job: FineTuneJob, run_id: str) -> dict[str, str]:
    """Return the labels that pick the serving pods of a run."""
    return {LABEL_COMPONENT: Component.SERVING.value, LABEL_JOB_UID: job.uid, LABEL_RUN: run_id}


def deployment(job: FineTuneJob, artifact: ArtifactStatus, trainer_image: str) -> Manifest:
    """Return the Deployment that serves exactly the files with the artifact's digest.

    trainer_image: serves an artifact that has no image on record.
    """
    serving = job.spec.serving
    annotations = {ANNOTATION_DIGEST: artifact.digest}
    volumes = serving_volumes(job, artifact)
    template = {
        "metadata": pod_metadata(job, serving, Component.SERVING, artifact.run, annotations),
        "spec": {
            **pod_spec(serving, volumes, selector(job, artifact.run)),
            **_containers(job, artifact, serving.image or artifact.image or trainer_image, volumes),
        },
    }
    if serving.termination_grace_period_seconds:
        template["spec"]["terminationGracePeriodSeconds"] = serving.termination_grace_period_seconds
    spec = {
        "replicas": serving.replicas,
        "selector": {"matchLabels": selector(job, artifact.run)},
        "strategy": STRATEGIES[serving.strategy],
        "template": template,
    }
    name = deployment_name(job, artifact.run)
    head = child(job, DEPLOYMENT, name, Component.SERVING, run_id=artifact.run, annotations=annotations)
    return {**head, "spec": spec}


def serving_volumes(job: FineTuneJob, artifact: ArtifactStatus) -> Volumes:
    """Return the volumes: scratch space, the model's place, and the credentials to fetch it."""
    volumes = Volumes()
    volumes.add_scratch("scratch", SCRATCH_DIRECTORY)
    volumes.add_options(job.spec.serving)
    source = parse_source(artifact.uri)
    if source.scheme == "pvc":
        volumes.add_claims({source.container: False})
        return volumes
    volumes.add_scratch("model", SERVED_MODEL_DIRECTORY)
    if job.spec.output.secret_ref:
        volumes.add_secret("output", job.spec.output.secret_ref.name)
    return volumes


def model_path(source: Source) -> PurePosixPath:
    """Return where the server finds the model: on the claim itself, or where it was fetched to."""
    if source.scheme == "pvc":
        return VOLUMES_DIRECTORY / source.container / source.path
    return SERVED_MODEL_DIRECTORY


def _containers(job: FineTuneJob, artifact: ArtifactStatus, image: str, volumes: Volumes) -> Manifest:
    source = parse_source(artifact.uri)
    common: Manifest = {
        **container(job.spec.serving, volumes),
        "image": image,
        "command": COMMAND,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    server = {
        **common,
        "name": SERVER,
        "args": _server_arguments(job, artifact, str(model_path(source))),
        "ports": [{"name": "http", "containerPort": SERVING_PORT, "protocol": "TCP"}],
        **_probes(),
        # Requests still arrive until every node has heard that the pod is going.
        "lifecycle": {"preStop": {"sleep": {"seconds": ENDPOINT_GRACE_SECONDS}}},
    }
    if source.scheme == "pvc":
        return {"containers": [server]}
    fetch = {**common, "name": FETCH, "args": _fetch_arguments(artifact)}
    return {"initContainers": [fetch], "containers": [server]}


def _probes() -> Manifest:
    """Return the probes: a server may load for an hour; from then on, one that hangs for a minute is started again."""
    asked = {"httpGet": {"path": "/healthz", "port": "http"}}
    return {
        "startupProbe": {**asked, "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": LOADING_SECONDS // 2},
        "readinessProbe": {**asked, "periodSeconds": 2, "timeoutSeconds": 2},
        "livenessProbe": {**asked, "periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6},
    }


def _fetch_arguments(artifact: ArtifactStatus) -> list[str]:
    return ["fetch", artifact.uri, "--digest", artifact.digest, "--into", str(SERVED_MODEL_DIRECTORY)]


def _server_arguments(job: FineTuneJob, artifact: ArtifactStatus, model: str) -> list[str]:
    grace = job.spec.serving.termination_grace_period_seconds
    # What is left of the pod's time when it has waited for the endpoints, but for a moment to end.
    serving = job.spec.serving
    gpus = ["--gpus", str(serving.gpus), "--gpu-resource-name", serving.gpu_resource_name] if serving.gpus else []
    answering = ["--grace-seconds", str(grace - ENDPOINT_GRACE_SECONDS - EXIT_SECONDS)] if grace else []
    return [
        "serve",
        *("--model", model),
        *("--digest", artifact.digest),
        *("--name", job.name),
        *("--port", str(SERVING_PORT)),
        *answering,
        *gpus,
    ]
