"""Rules for tasks that hold the tuned model to a reference model."""

from finetune_api.schema import Rule


def no_noise(task: str) -> Rule:
    """Return the rule that the model is not compared with the reference under noise."""
    return Rule(
        f"self.task != '{task}' || !has(self.training.neftuneNoiseAlpha)",
        f"is not for task {task}: the noise would pass for distance from the reference model; remove it",
        field_path=".training.neftuneNoiseAlpha",
        reason="FieldValueForbidden",
    )
