"""The tasks: one file for each, which says all that is particular to it."""

from finetune_api.handoff import RunRequest
from finetune_api.task import Task
from finetune_trainer.tasks.recipe import Recipe


def recipe_for(request: RunRequest) -> Recipe:
    """Return the recipe of the job's task."""
    match request.task:
        case Task.SEQUENCE_CLASSIFICATION:
            from finetune_trainer.tasks.sequence_classification import SequenceClassification

            return SequenceClassification(request)
        case Task.SFT:
            from finetune_trainer.tasks.sft import SFT

            return SFT(request)


__all__ = ["Recipe", "recipe_for"]
