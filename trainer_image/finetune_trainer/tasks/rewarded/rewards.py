"""What a completion is worth: the scores of a reward model and of reward functions, added up by weight."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from finetune_api.parts.rewards import RewardFunction, RewardFunctionType
from finetune_api.tasks.rewarded import REWARD_MODEL, RewardedOptions
from finetune_trainer.errors import BadSpec
from finetune_trainer.runtime.device import Device
from finetune_trainer.tasks.chats.prompts import Turns
from finetune_trainer.tasks.rewarded.custom_rewards import CustomReward
from finetune_trainer.tasks.rewarded.reward_functions import Answers, needed_columns, scorer

MODEL = "model"

Score = Callable[[list[Turns], list[str], list[Answers]], list[float]]


@dataclass(frozen=True)
class RewardPart:
    """One source of rewards: `score` takes prompts, completions and answers, one of each for every row."""

    name: str
    weight: float
    score: Score


@dataclass(frozen=True)
class Scores:
    """Rewards of completions: each one's whole, and by the part's name, before it is weighed."""

    total: list[float]
    parts: dict[str, list[float]]

    def means(self) -> dict[str, float]:
        """Return the mean reward and the mean of every part: `reward`, `reward_<name>`."""
        rows = len(self.total)
        parts = {f"reward_{name}": sum(values) / rows for name, values in self.parts.items()}
        return {"reward": sum(self.total) / rows, **parts}


@dataclass(frozen=True)
class Rewards:
    """All rewards of a job."""

    parts: tuple[RewardPart, ...]

    @classmethod
    def of(cls, options: RewardedOptions, block: str, models: dict[str, Path], device: Device) -> "Rewards":
        """Load what `options`, the spec's block `block`, name.

        `models` tells where models and code lie. Raises BadSpec if there is no reward, and for a model, pattern or
        function that is none.
        """
        parts = [
            RewardPart(function.name, function.weight, _of_function(function, block, models))
            for function in options.reward_functions or []
        ]
        if options.reward_model:
            parts.insert(
                0, RewardPart(MODEL, 1.0, _of_model(models[REWARD_MODEL], device, f"{block}.rewardModel.source"))
            )
        if not parts:
            raise BadSpec("there is no reward to learn from; set rewardModel or rewardFunctions", block)
        return cls(tuple(parts))

    @property
    def weights(self) -> list[float]:
        """The weights of the parts."""
        return [part.weight for part in self.parts]

    def score(self, prompts: list[Turns], completions: list[str], answers: list[Answers]) -> Scores:
        """Return the rewards of completions."""
        parts = {part.name: part.score(prompts, completions, answers) for part in self.parts}
        total = [
            sum(weight * value for weight, value in zip(self.weights, values, strict=True))
            for values in zip(*parts.values(), strict=True)
        ]
        return Scores(total, parts)


def answer_columns(options: RewardedOptions) -> tuple[str, ...]:
    """Return the columns of the dataset that reward functions look at."""
    return tuple(
        dict.fromkeys(column for function in options.reward_functions or [] for column in needed_columns(function))
    )


def expected_column(options: RewardedOptions) -> str | None:
    """Return the column that holds the right completion, if a reward function compares with one."""
    exact = [one for one in options.reward_functions or [] if one.type is RewardFunctionType.EXACT_ANSWER]
    return needed_columns(exact[0])[0] if exact else None


def _of_function(function: RewardFunction, block: str, models: dict[str, Path]) -> Score:
    if function.python:
        return CustomReward(function, function.python, models[function.code_name], block).score
    return _of_texts(scorer(function))


def _of_texts(score: Callable[[list[str], list[Answers]], list[float]]) -> Score:
    return lambda _prompts, completions, answers: score(completions, answers)


def _of_model(folder: Path, device: Device, field: str) -> Score:
    from finetune_trainer.tasks.rewarded.reward_scoring import RewardModel

    dtype = "bfloat16" if device.name == "cuda" and device.bfloat16 else "float32"
    model = RewardModel.load(folder, device.name, dtype, field)
    return lambda prompts, completions, _answers: model.score(prompts, completions)
