"""Rules of tasks that learn from rewards which concern other blocks of the spec."""

from finetune_api.schema import Rule

COMPLETION_LENGTHS = {"PPO": "responseLength", "GRPO": "maxCompletionLength", "RLOO": "maxCompletionLength"}


def policy_rules() -> tuple[Rule, ...]:
    """Return the rules for a spec with `task`, `training` and the tasks' blocks."""
    groups = [_whole_groups(task) for task in ("GRPO", "RLOO")]
    return (*(rule for task in COMPLETION_LENGTHS for rule in _for_task(task)), *groups)


def _for_task(task: str) -> list[Rule]:
    block, length = task.lower(), COMPLETION_LENGTHS[task]
    return [
        Rule(
            f"self.task != '{task}' || has(self.{block})",
            f"task {task} needs a reward: set spec.{block}.rewardModel or spec.{block}.rewardFunctions",
        ),
        Rule(
            f"!has(self.{block}) || self.{block}.{length} < self.training.maxLength",
            "must be below spec.training.maxLength, which counts the tokens of prompt and completion",
            field_path=f".{block}.{length}",
            found=f"string(self.{block}.{length})",
        ),
    ]


def _whole_groups(task: str) -> Rule:
    block = task.lower()
    rows = "self.training.batchSize * self.training.gradientAccumulationSteps"
    return Rule(
        f"!has(self.{block}) || ({rows}) % self.{block}.numGenerations == 0",
        "must divide spec.training.batchSize x gradientAccumulationSteps: a step learns from all completions of a"
        " prompt",
        field_path=f".{block}.numGenerations",
        found=f"string(self.{block}.numGenerations) + ' for ' + string({rows}) + ' completions'",
    )
