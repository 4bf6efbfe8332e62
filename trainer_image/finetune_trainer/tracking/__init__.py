"""The experiment tracker of spec.tracking: its server follows the run, and never holds it up."""

import sys
from functools import partial
from importlib.util import find_spec

from finetune_api.handoff import RunRequest
from finetune_api.spec.tracking import SECRET_KEYS, Tracker, TrackingSpec
from finetune_trainer.config import Settings, prepare_tracker
from finetune_trainer.errors import BadSpec
from finetune_trainer.runtime.progress import ProgressBoard
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.storage.access import Credentials
from finetune_trainer.tracking.desk import Desk, Ending, RunIdentity
from finetune_trainer.tracking.tracking import Tracked, Tracking

PACKAGES = {
    Tracker.MLFLOW: ("mlflow", "mlflow-skinny"),
    Tracker.WANDB: ("wandb", "wandb"),
    Tracker.TRACKIO: ("trackio", "trackio"),
}
"""By which name each client is imported, and by which it is installed."""
FIELD = "spec.tracking.type"

__all__ = ["Ending", "Tracking", "check_tracking", "open_tracking"]


def check_tracking(spec: TrackingSpec | None) -> None:
    """Raise BadSpec if the tracker's client is not installed. Called before the training libraries are imported."""
    if spec is None or spec.type is not Tracker.WANDB:
        # Where it is installed, trl imports it, which takes a second of every start.
        sys.modules.setdefault("wandb", None)  # type: ignore[arg-type]
    if spec is None:
        return
    module, package = PACKAGES[spec.type]
    if find_spec(module) is None:
        raise BadSpec(
            f"{FIELD}: {spec.type} needs the Python package {package}, which the trainer's image does not have; install"
            " it in the image that spec.compute.image names, or remove spec.tracking",
            FIELD,
        )


def open_tracking(request: RunRequest, settings: Settings, board: ProgressBoard, workspace: Workspace) -> Tracking:
    """Begin to follow a run, if its spec names a tracker. Returns at once, whether that answers or not."""
    spec = request.tracking
    if spec is None:
        return Tracking()
    given = Credentials.from_folder(settings.secrets / "tracking")
    values = {key: value for key in SECRET_KEYS[spec.type] if (value := given.get(key))}
    scratch = prepare_tracker(values)
    # In this thread: two that import it at once would find it half there.
    import transformers.integrations  # noqa: F401

    run = RunIdentity.of(request)
    make_desk = partial(_desk, spec, run, scratch)
    tracked = Tracked(
        spec, run, make_desk, board=board, told_file=workspace.tracked_file, secrets=tuple(values.values())
    )
    tracked.start()
    return tracked


def _desk(spec: TrackingSpec, run: RunIdentity, scratch: str) -> Desk:
    if spec.type is Tracker.MLFLOW:
        from finetune_trainer.tracking.mlflow_desk import MLflowDesk

        return MLflowDesk(spec, run)
    if spec.type is Tracker.WANDB:
        from finetune_trainer.tracking.wandb_desk import WandBDesk

        return WandBDesk(spec, run, scratch)
    from finetune_trainer.tracking.trackio_desk import TrackioDesk

    return TrackioDesk(spec, run)
