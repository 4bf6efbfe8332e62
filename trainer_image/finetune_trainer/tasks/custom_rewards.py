"""Reward functions of the user's own: Python files that the job brings along."""

import math
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from finetune_api.rewards import PythonReward, RewardFunction
from finetune_trainer.data.problems import show
from finetune_trainer.errors import BadSpec
from finetune_trainer.tasks.prompts import Turns
from finetune_trainer.tasks.reward_functions import Answers


class CustomReward:
    """A function of a Python file, called as TRL calls reward functions, by names of its arguments."""

    def __init__(self, function: RewardFunction, options: PythonReward, path: Path, block: str) -> None:
        """Load the file. Raises BadSpec if that fails, or if it has no such function."""
        self._path = path
        self._columns = options.columns or []
        self._field = f"{block}.rewardFunctions[{function.name}].python"
        self._place = f"key {options.config_map_key_ref.key} of ConfigMap {options.config_map_key_ref.name}"
        self._name = options.function
        module = ModuleType(function.code_name)
        module.__file__ = str(path)
        code = compile(path.read_bytes(), str(path), "exec")
        self._guarded(lambda: exec(code, module.__dict__))  # noqa: S102 - the operator's settings allow it
        self._function = getattr(module, self._name, None)
        if not callable(self._function):
            raise BadSpec(f"{self._field}: {self._place} has no function {self._name}", self._field)

    def score(self, prompts: list[Turns], completions: list[str], answers: list[Answers]) -> list[float]:
        """Return what the function gives for each completion. Raises BadSpec if it fails, or gives something else."""
        columns = {column: [answer[column] for answer in answers] for column in self._columns}
        given = {"prompts": list(prompts), "completions": list(completions), **columns}
        rewards = self._guarded(lambda: self._called(given))
        rewards = rewards.tolist() if hasattr(rewards, "tolist") else rewards
        if not isinstance(rewards, list | tuple) or len(rewards) != len(completions):
            found = f"{len(rewards)} values" if isinstance(rewards, list | tuple) else show(rewards)
            raise BadSpec(f"{self._field}: {self._name} gave {found} for {len(completions)} completions", self._field)
        return [self._number(reward) for reward in rewards]

    def _called(self, given: dict[str, Any]) -> Any:
        assert self._function is not None
        return self._function(**given)

    def _number(self, reward: Any) -> float:
        try:
            number = float(reward)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise BadSpec(f"{self._field}: {self._name} gave {show(reward)}, expected a finite number", self._field)
        return number

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """Do work in the user's code; tell what it raises, and where in the file."""
        try:
            return work()
        except (Exception, SystemExit) as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if frame.filename == str(self._path)]
            line = f", line {lines[-1]}" if lines else ""
            words = f"{type(error).__name__}: {error}".splitlines()[0]
            raise BadSpec(f"{self._field}: {self._name} in {self._place}{line} failed: {words}", self._field) from error
