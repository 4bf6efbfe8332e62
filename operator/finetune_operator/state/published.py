"""Whether an artifact is what the spec asks for."""

from finetune_api.sources import parse_source
from finetune_api.status import ArtifactStatus
from finetune_operator.desired.resource import FineTuneJob


def is_published(job: FineTuneJob, artifact: ArtifactStatus) -> bool:
    """Whether the artifact is this run's, and lies where the spec wants it."""
    if artifact.run != job.run_id:
        return False
    try:
        return parse_source(artifact.uri) == parse_source(job.spec.output.destination).child(job.run_id)
    except ValueError:
        return False
