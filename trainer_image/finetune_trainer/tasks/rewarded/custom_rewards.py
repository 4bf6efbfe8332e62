"""Reward functions of the user's own: Python files that the job brings along."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from finetune_api.parts.rewards import PythonReward, RewardFunction
from finetune_trainer.data.problems import show
from finetune_trainer.tasks.chats.prompts import Turns
from finetune_trainer.tasks.rewarded.reward_functions import Answers
from finetune_trainer.user_code.code import RUN_AGAIN, OwnCode, place_of


class CustomReward:
    """A function of a Python file, called as TRL calls reward functions, by names of its arguments."""

    def __init__(self, function: RewardFunction, options: PythonReward, path: Path, block: str) -> None:
        """Load the file. Raises BadSpec if that fails, or if it has no such function."""
        self._path = path
        self._columns = options.columns or []
        field = f"{block}.rewardFunctions[{function.name}].python"
        self._name = options.function
        shown = f"{self._name} ({place_of(options.config_map_key_ref)})"
        self._code = OwnCode(field, shown, path, RUN_AGAIN)
        self._function = self._load(function.code_name.replace("-", "_"))

    def score(self, prompts: list[Turns], completions: list[str], answers: list[Answers]) -> list[float]:
        """Return what the function gives for each completion.

        Raises BadSpec if it fails or gives something else, Unavailable if what it asks does not answer.
        """
        columns = {column: [answer[column] for answer in answers] for column in self._columns}
        given = {"prompts": list(prompts), "completions": list(completions), **columns}
        rewards = self._code.run(lambda: self._function(**given))
        rewards = rewards.tolist() if hasattr(rewards, "tolist") else rewards
        if not isinstance(rewards, list | tuple) or len(rewards) != len(completions):
            found = f"{len(rewards)} values" if isinstance(rewards, list | tuple) else show(rewards)
            raise self._code.refused(f"gave {found} for {len(completions)} completions")
        return [self._number(reward) for reward in rewards]

    def _load(self, module_name: str) -> Callable[..., Any]:
        module = ModuleType(module_name)
        module.__file__ = str(self._path)
        # Dataclasses and pickle look a class's module up by its name.
        sys.modules[module_name] = module
        code = compile(self._path.read_bytes(), str(self._path), "exec", dont_inherit=True)
        self._code.run(lambda: exec(code, module.__dict__))  # noqa: S102 - the operator's settings allow it
        function: Callable[..., Any] | None = getattr(module, self._name, None)
        if not callable(function):
            raise self._code.refused("is no function of the file")
        return function

    def _number(self, reward: Any) -> float:
        try:
            number = float(reward)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            number = math.nan
        if not math.isfinite(number):
            raise self._code.refused(f"gave {show(reward)}, expected a finite number")
        return number
