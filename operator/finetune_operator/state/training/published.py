"""Whether an artifact is what the spec asks for."""

from finetune_api.parts.sources import parse_source, publication
from finetune_api.status import ArtifactStatus
from finetune_operator.resource.fine_tune_job import FineTuneJob


def is_published(job: FineTuneJob, artifact: ArtifactStatus) -> bool:
    """Whether the artifact is this run's, and lies where the spec wants it.

    Earlier releases published into a folder of the run's name alone.
    """
    if artifact.run != job.run_id:
        return False
    try:
        place, destination = parse_source(artifact.uri), parse_source(job.spec.output.destination)
    except ValueError:
        return False
    own = publication(destination, job.namespace, job.name, job.run_id)
    return place in (own, own.beside(job.uid), destination.child(job.run_id))
