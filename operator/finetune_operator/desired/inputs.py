"""What the training pod reads and writes: claims and Secrets of the models, the data and the output."""

from dataclasses import dataclass

from finetune_api.parts.sources import parse_source
from finetune_operator.resource.fine_tune_job import FineTuneJob


@dataclass(frozen=True)
class MountedSecret:
    """A Secret of the pod. asked_by: the field that names it. folder: its folder's name."""

    folder: str
    name: str
    asked_by: str


def secrets(job: FineTuneJob) -> list[MountedSecret]:
    """Return the Secrets of every model, the data, the output and the tracker.

    A model of another FineTuneJob is read with the credentials that it was published with, unless the spec names some.
    """
    found = []
    for folder, (block, model) in job.spec.models.items():
        source = job.source(f"{block}.source")
        if model.secret_ref:
            found.append(MountedSecret(folder, model.secret_ref.name, f"{block}.secretRef"))
        elif source and source.secret_ref:
            asked_by = f"spec.output.secretRef of FineTuneJob {source.job}"
            found.append(MountedSecret(folder, source.secret_ref.name, asked_by))
    for folder, holder in (("dataset", job.spec.dataset), ("output", job.spec.output)):
        if holder.secret_ref:
            found.append(MountedSecret(folder, holder.secret_ref.name, f"spec.{folder}.secretRef"))
    if job.spec.tracking and job.spec.tracking.secret_ref:
        found.append(MountedSecret("tracking", job.spec.tracking.secret_ref.name, "spec.tracking.secretRef"))
    return found


def claims(job: FineTuneJob) -> dict[str, bool]:
    """Return the claims that pvc:// URIs name, and whether each is written to."""
    metrics = [metric.source for metric in job.spec.evaluation.metrics or () if metric.source]
    inputs = [*_model_uris(job), *job.spec.dataset.uris, *metrics]
    found: dict[str, bool] = {}
    for uri, written in (*((uri, False) for uri in inputs), (job.spec.output.destination, True)):
        source = parse_source(uri)
        if source.scheme == "pvc":
            found[source.container] = found.get(source.container, False) or written
    return found


def _model_uris(job: FineTuneJob) -> list[str]:
    models = {f"{block}.source": model for block, model in job.spec.models.values()}
    resolved = {field: job.source(field) for field in models}
    return [found.uri if (found := resolved[field]) else model.source for field, model in models.items()]
