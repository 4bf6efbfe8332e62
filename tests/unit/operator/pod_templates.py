"""The pods that the operator makes of a job: of its training Job and of its Deployment."""

from typing import Any

from finetune_api.status import ArtifactStatus
from finetune_operator.desired.deployment import deployment
from finetune_operator.desired.training_job import training_job
from finetune_operator.kinds import Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob, parse_resource
from tests.builders import finetune_job

IMAGE = "trainer:1"


def job(**options: Any) -> FineTuneJob:
    manifest = finetune_job("job", compute=options, serving={"enabled": True, **options})
    manifest["metadata"] |= {"uid": "uid-1", "generation": 3}
    return parse_resource(manifest)


def templates(found: FineTuneJob) -> list[Manifest]:
    artifact = ArtifactStatus(run="run1", uri="s3://finetune/published/run1", digest="sha256:1")
    owners = training_job(found, IMAGE), deployment(found, artifact, IMAGE)
    return [owner["spec"]["template"] for owner in owners]
