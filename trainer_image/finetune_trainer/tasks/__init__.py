"""The tasks: one file for each, which says all that is particular to it.

The module is named as the task's options in the spec (`sequence_classification`), its class as the task itself.
"""

from importlib import import_module

from finetune_api.handoff import RunRequest
from finetune_trainer.tasks.recipe import Recipe


def recipe_for(request: RunRequest) -> Recipe:
    """Return the recipe of the job's task."""
    module = import_module(f"finetune_trainer.tasks.{request.task.member}")
    recipe: Recipe = getattr(module, request.task.value)(request)
    return recipe


__all__ = ["Recipe", "recipe_for"]
