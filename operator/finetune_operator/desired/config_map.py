"""The ConfigMap with the job file of a run, and with the part of the spec that it was launched from."""

import json

from finetune_api.handoff import JOB_FILE_NAME, ResolvedSource, RunRequest, RunResources
from finetune_api.keys import ANNOTATION_LAUNCH, Component
from finetune_api.runs import LAUNCH_INPUTS
from finetune_api.spec.inputs import TrainingInputs
from finetune_operator.desired.metadata import child, run_name
from finetune_operator.kinds import CONFIG_MAP, Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob

SPEC_FILE_NAME = "spec.json"


def run_request(job: FineTuneJob) -> RunRequest:
    """Return what the trainer is to do. It holds references to Secrets, never their content."""
    inputs = {name: getattr(job.spec, name) for name in TrainingInputs.model_fields}
    # Written out: the task's own learning rate and epochs may be others in the trainer's release.
    inputs["training"] = job.spec.resolved_training
    compute = job.spec.compute
    return RunRequest(
        namespace=job.namespace,
        name=job.name,
        uid=job.uid,
        run_id=job.run_id,
        compute=RunResources(
            gpus=compute.gpus,
            gpu_resource_name=compute.gpu_resource_name,
            cpu=compute.cpu,
            memory=compute.memory,
        ),
        output=job.spec.output,
        tracking=job.spec.tracking,
        trained=job.is_trained,
        sources={
            source.field: ResolvedSource(job=source.job, run=source.run, uri=source.uri, digest=source.digest)
            for source in job.sources
        },
        **inputs,
    )


def job_file(job: FineTuneJob) -> str:
    """Return the job file: only what differs from the defaults, which every release of the trainer has alike.

    A field that the trainer's release has never heard of is thus there only if somebody set it.
    """
    request = run_request(job)
    told = request.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps({**told, "version": request.version}, indent=1, sort_keys=True)


def launch_inputs(job: FineTuneJob) -> str:
    """Return the part of the spec that an edit of launches anew: by it, the next launch can tell what was edited."""
    told = job.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=set(LAUNCH_INPUTS))
    return json.dumps(told, sort_keys=True)


def config_map(job: FineTuneJob) -> Manifest:
    """Return the ConfigMap that the training pod mounts."""
    annotations = {ANNOTATION_LAUNCH: job.launch}
    head = child(
        job,
        CONFIG_MAP,
        run_name(job, job.run_id),
        Component.TRAINING,
        run_id=job.run_id,
        annotations=annotations,
    )
    return {**head, "data": {JOB_FILE_NAME: job_file(job), SPEC_FILE_NAME: launch_inputs(job)}}
