"""The Job that trains a run."""

import json

from finetune_api.failures import EXIT_CODE_OF, NOT_COUNTED, TERMINAL
from finetune_api.handoff import (
    JOB_FILE,
    PROGRESS_PORT,
    SCRATCH_DIRECTORY,
    TERMINATION_LOG,
    WORKSPACE_DIRECTORY,
)
from finetune_api.keys import (
    ANNOTATION_ASKED,
    ANNOTATION_DEADLINE,
    ANNOTATION_LAUNCH,
    LABEL_COMPONENT,
    LABEL_PART_OF,
    Component,
)
from finetune_operator.desired.inputs import claims, secrets
from finetune_operator.desired.metadata import APPLICATION, child, run_name, workspace_name
from finetune_operator.desired.pod import container, pod_metadata, pod_spec
from finetune_operator.desired.tracing import TraceExport, trace_environment
from finetune_operator.desired.volumes import Volumes
from finetune_operator.kinds import JOB, Manifest
from finetune_operator.resource.containers import TRAINER
from finetune_operator.resource.fine_tune_job import FineTuneJob

GRACE_SECONDS = 120
"""Time that a pod has to write a checkpoint after SIGTERM, unless the spec says otherwise."""
PEERS = {LABEL_COMPONENT: Component.TRAINING.value, LABEL_PART_OF: APPLICATION}
"""The training pods of all jobs."""


def training_job(
    job: FineTuneJob, trainer_image: str, deadline_seconds: int | None = None, traces: TraceExport | None = None
) -> Manifest:
    """Return the Job of the run that the spec asks for.

    deadline_seconds: its own deadline at the start; 0 where the run's time is up already. traces: where its pods send
    spans.
    """
    name = run_name(job, job.run_id)
    annotations = {ANNOTATION_LAUNCH: job.launch}
    compute = job.spec.compute
    volumes = training_volumes(job)
    template = {
        "metadata": pod_metadata(job, compute, Component.TRAINING, job.run_id, annotations),
        "spec": {
            **pod_spec(compute, volumes, PEERS),
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": compute.termination_grace_period_seconds or GRACE_SECONDS,
            "containers": [trainer_container(job, trainer_image, volumes, traces)],
        },
    }
    mutable = mutable_fields(job, deadline_seconds)
    spec = {
        **mutable,
        "completions": 1,
        "parallelism": 1,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": pod_failure_rules()},
        "template": template,
    }
    noted = {**annotations, ANNOTATION_ASKED: asked(mutable), **deadline_annotation(job.spec.active_deadline_seconds)}
    head = child(job, JOB, name, Component.TRAINING, run_id=job.run_id, annotations=noted)
    return {**head, "spec": {key: value for key, value in spec.items() if value is not None}}


def deadline_annotation(limit: int | None) -> dict[str, str]:
    """Return the annotation by which a Job tells the limit that it keeps, in seconds; nothing if there is none."""
    return {ANNOTATION_DEADLINE: str(limit)} if limit is not None else {}


def mutable_fields(job: FineTuneJob, deadline_seconds: int | None) -> Manifest:
    """Return the fields of the Job's spec that a live Job takes over; None means unset.

    Its time to live is none of them: it is set only once the status tells how the Job ended.
    """
    return {
        "suspend": job.spec.suspend,
        "backoffLimit": job.spec.max_retries,
        "activeDeadlineSeconds": deadline_seconds,
    }


def asked(fields: Manifest) -> str:
    """Write down what is asked of a Job, as its annotation says it."""
    return json.dumps({field: value for field, value in fields.items() if value is not None}, sort_keys=True)


def trainer_container(
    job: FineTuneJob, trainer_image: str, volumes: Volumes, traces: TraceExport | None = None
) -> Manifest:
    """Return the one container of the training pod."""
    common = container(job.spec.compute, volumes)
    return {
        **common,
        "env": [*trace_environment(job, traces), *common["env"]],
        "name": TRAINER,
        "image": job.spec.compute.image or trainer_image,
        "command": ["python", "-m", "finetune_trainer"],
        "args": ["run", str(JOB_FILE), "--workspace", str(WORKSPACE_DIRECTORY)],
        "ports": [{"name": "progress", "containerPort": PROGRESS_PORT, "protocol": "TCP"}],
        "terminationMessagePath": str(TERMINATION_LOG),
        "terminationMessagePolicy": "File",
    }


def training_volumes(job: FineTuneJob) -> Volumes:
    """Return the volumes: job file, workspace, scratch space, Secrets, code, and claims that the spec's URIs name."""
    volumes = Volumes()
    volumes.add("job", {"configMap": {"name": run_name(job, job.run_id)}}, JOB_FILE.parent, read_only=True)
    workspace = {"persistentVolumeClaim": {"claimName": workspace_name(job)}}
    volumes.add("workspace", workspace, WORKSPACE_DIRECTORY, read_only=False)
    volumes.add_scratch("scratch", SCRATCH_DIRECTORY)
    for secret in secrets(job):
        volumes.add_secret(secret.folder, secret.name)
    volumes.add_code({name: place for name, (_, place) in job.spec.code.items()})
    volumes.add_claims(claims(job))
    volumes.add_options(job.spec.compute)
    return volumes


def pod_failure_rules() -> list[Manifest]:
    """Return the Job's podFailurePolicy: disruptions are free, what a retry cannot mend fails at once."""
    uncounted = sorted(int(EXIT_CODE_OF[failure]) for failure in NOT_COUNTED)
    terminal = sorted(int(EXIT_CODE_OF[failure]) for failure in TERMINAL)
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "Ignore", "onExitCodes": {"containerName": TRAINER, "operator": "In", "values": uncounted}},
        {"action": "FailJob", "onExitCodes": {"containerName": TRAINER, "operator": "In", "values": terminal}},
    ]
