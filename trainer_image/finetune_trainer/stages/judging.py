"""Judging again: a run whose spec.evaluation has changed is judged anew, and nothing else of it is done again."""

from typing import Any

from finetune_api.handoff import RunRequest, Stage
from finetune_trainer.errors import MissingInput
from finetune_trainer.log import say
from finetune_trainer.records import ModelRecord, TrainRecord
from finetune_trainer.runtime.workspace import Workspace

BASELINE = "Baseline"
METRICS = "Metrics"
"""Marker that holds the digests of the job's own metrics."""
JUDGED_AS = "JudgedAs"
"""Marker that holds the spec.evaluation by which the run's models are, or are being, judged."""


def forget_other_judgements(request: RunRequest, workspace: Workspace) -> None:
    """Let the models be judged again if they were judged otherwise than the job file asks.

    What is published stays as it is, with the figures that it was published with; what is only about to be published
    gets the new ones. Raises MissingInput if the run is trained and published, but its workspace is gone.
    """
    if request.trained and workspace.read_marker(Stage.TRAIN, TrainRecord) is None:
        raise MissingInput(
            f"the workspace no longer holds run {request.run_id}, so that its model cannot be judged again; it stays"
            " published as it is. Set spec.evaluation to what it was, or train again with a new spec.runId",
            "spec.evaluation",
        )
    wanted = request.evaluation.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if workspace.read_marker(JUDGED_AS, dict[str, Any]) == wanted:
        return
    published = workspace.has_marker(Stage.PUSH)
    for marker in (METRICS, BASELINE, Stage.EVALUATE, *(() if published else (Stage.EXPORT,))):
        if workspace.remove_marker(marker):
            say("evaluate", f"{marker.lower()}: to be done again, since spec.evaluation has changed")
    workspace.write_marker(JUDGED_AS, wanted)


def forget_failed_metrics(workspace: Workspace) -> None:
    """Let the next launch take the metrics' code anew, and judge the base model by that, too."""
    for marker in (METRICS, BASELINE):
        workspace.remove_marker(marker)


def misses_models(model: ModelRecord, workspace: Workspace) -> bool:
    """Whether models are needed for judging that were dropped when the run was finished."""
    folders = workspace.model_folders(model).values()
    return not workspace.has_marker(Stage.EVALUATE) and not all(folder.exists() for folder in folders)
