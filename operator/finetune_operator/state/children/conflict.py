"""What to say of an object that has the name of a child and belongs to somebody else."""

from finetune_api import API_VERSION, GROUP, KIND
from finetune_api.keys import LABEL_MANAGED_BY, MANAGED_BY, Phase, Reason
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import annotation_of, controller_of, label_of, name_of
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.status.story import Problem, Story, going_on, stalled

HELM_RELEASE = "meta.helm.sh/release-name"


def conflict_story(job: FineTuneJob, foreign: Manifest) -> Story:
    """Say what is in the way, and whose it is. What a deleted namesake left goes by itself."""
    what = f"{foreign['kind']} {name_of(foreign)}"
    if goes_by_itself(job, foreign):
        message = f"Waiting until {what} of a deleted FineTuneJob of this name is gone."
        return going_on(Phase.PENDING, Reason.STOPPING_PREVIOUS_RUN, message)
    return stalled(
        Problem(
            Reason.NAME_CONFLICT,
            f"{what} is in the way: it {_whose(foreign)}, so it is left alone. Delete or rename it, or give this"
            " FineTuneJob another name.",
        )
    )


def goes_by_itself(job: FineTuneJob, foreign: Manifest) -> bool:
    """Whether the garbage collector is about to remove it, since its FineTuneJob, a namesake, is gone."""
    owner = controller_of(foreign) or {}
    group = str(owner.get("apiVersion", API_VERSION)).partition("/")[0]
    return (group, owner.get("kind"), owner.get("name")) == (GROUP, KIND, job.name)


def _whose(foreign: Manifest) -> str:
    references = foreign["metadata"].get("ownerReferences") or ()
    owner = controller_of(foreign) or next(iter(references), None)
    if owner is not None:
        return f"belongs to {owner.get('kind')} {owner.get('name')}"
    manager, release = label_of(foreign, LABEL_MANAGED_BY), annotation_of(foreign, HELM_RELEASE)
    if release:
        return f"belongs to the Helm release {release}"
    if manager == MANAGED_BY:
        return "was left behind when its FineTuneJob was deleted without its dependents"
    return f"is managed by {manager}" if manager else "was not made by the operator"
