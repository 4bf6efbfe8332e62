"""The claim of the workspace: made again when somebody deletes it, and grown with the spec."""

from finetune_api.keys import Reason
from finetune_api.quantity import amount
from finetune_api.status import FineTuneJobStatus
from finetune_operator.desired.metadata import workspace_name
from finetune_operator.desired.workspace import workspace_claim
from finetune_operator.kinds import CLAIM, Manifest
from finetune_operator.manifests import is_deleting, name_of
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.children.drift import stamped
from finetune_operator.state.observed import Observed
from finetune_operator.state.plan import Merge, Note


def absent_claim(job: FineTuneJob, observed: Observed) -> tuple[Manifest, ...]:
    """Return the claim if it is to be made. One that still goes away comes first: its name is taken until then."""
    claim = workspace_claim(job)
    return (stamped(claim),) if claim and observed.child(CLAIM, name_of(claim)) is None else ()


def growth(job: FineTuneJob, observed: Observed) -> tuple[Merge, ...]:
    """Return the change that asks for as much storage as the spec; what somebody else has grown stays so."""
    wanted, live = workspace_claim(job), observed.child(CLAIM, workspace_name(job))
    if wanted is None or live is None or is_deleting(live):
        return ()
    size = wanted["spec"]["resources"]["requests"]["storage"]
    asked = (((live.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage")
    if asked is None or amount(str(asked)) >= amount(size):
        return ()
    return (Merge(live, {"spec": {"resources": {"requests": {"storage": size}}}}),)


def loss(job: FineTuneJob, previous: FineTuneJobStatus, applies: tuple[Manifest, ...]) -> tuple[Note, ...]:
    """Tell what went with a claim that is made again."""
    made = next((child for child in applies if child["kind"] == CLAIM.kind), None)
    if made is None or previous.workspace != name_of(made):
        return ()
    words = (
        f"PersistentVolumeClaim {name_of(made)} was gone, and an empty one takes its place. What it held is lost:"
        f" checkpoints, finished stages and what was not published; run {job.run_id} begins anew."
    )
    return (Note(Reason.WORKSPACE_LOST, words, warning=True),)
