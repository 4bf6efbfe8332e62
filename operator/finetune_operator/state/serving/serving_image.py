"""Which image serves a model: the one that it was published with, until somebody chooses another.

A new release of the operator brings a new trainer image. If all Deployments took it, an upgrade would restart every
served model at once, on an image that none of them was judged with.
"""

from dataclasses import replace

from finetune_api.keys import LABEL_RUN
from finetune_api.status import ArtifactStatus, FineTuneJobStatus
from finetune_operator.desired.metadata import deployment_name
from finetune_operator.kinds import DEPLOYMENT, Manifest
from finetune_operator.manifests import label_of
from finetune_operator.resource.containers import SERVER, TRAINER
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed
from finetune_operator.state.plan import Policy
from finetune_operator.state.training.run import Run


def with_image(run: Run, job: FineTuneJob, previous: FineTuneJobStatus, observed: Observed, policy: Policy) -> Run:
    """Return the run, its artifact with the image that serves it unless spec.serving.image says otherwise."""
    if run.artifact is None or run.artifact.image:
        return run
    image = (
        _recorded(run.artifact, previous)
        or _serving(run.artifact, job, observed)
        or _trained(run.artifact, observed)
        or policy.trainer_image
    )
    return replace(run, artifact=run.artifact.model_copy(update={"image": image}))


def _recorded(artifact: ArtifactStatus, previous: FineTuneJobStatus) -> str | None:
    known = previous.artifact
    is_same = known is not None and (known.run, known.digest) == (artifact.run, artifact.digest)
    return known.image if known is not None and is_same else None


def _serving(artifact: ArtifactStatus, job: FineTuneJob, observed: Observed) -> str | None:
    """Return what serves it already, since a release that kept no record; but not what the spec chose."""
    live = observed.child(DEPLOYMENT, deployment_name(job, artifact.run))
    return _image(live, SERVER) if live is not None and not job.spec.serving.image else None


def _trained(artifact: ArtifactStatus, observed: Observed) -> str | None:
    made = (found for found in observed.jobs if label_of(found, LABEL_RUN) == artifact.run)
    return next((image for found in made if (image := _image(found, TRAINER))), None)


def _image(owner: Manifest, container: str) -> str | None:
    template = (owner.get("spec") or {}).get("template") or {}
    containers = (template.get("spec") or {}).get("containers") or ()
    return next((str(found["image"]) for found in containers if found.get("name") == container), None)
