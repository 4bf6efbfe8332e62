"""Reward functions of the user's own: Python files that the job brings along."""

import math
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from finetune_api.rewards import PythonReward, RewardFunction
from finetune_trainer.code import RUN_AGAIN
from finetune_trainer.data.problems import show
from finetune_trainer.errors import BadSpec, TrainerError, Unavailable
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
        self._function = self._load(function.code_name.replace("-", "_"))

    def score(self, prompts: list[Turns], completions: list[str], answers: list[Answers]) -> list[float]:
        """Return what the function gives for each completion.

        Raises BadSpec if it fails or gives something else, Unavailable if what it asks does not answer.
        """
        columns = {column: [answer[column] for answer in answers] for column in self._columns}
        given = {"prompts": list(prompts), "completions": list(completions), **columns}
        rewards = self._guarded(lambda: self._function(**given))
        rewards = rewards.tolist() if hasattr(rewards, "tolist") else rewards
        if not isinstance(rewards, list | tuple) or len(rewards) != len(completions):
            found = f"{len(rewards)} values" if isinstance(rewards, list | tuple) else show(rewards)
            raise self._refused(f"gave {found} for {len(completions)} completions")
        return [self._number(reward) for reward in rewards]

    def _load(self, module_name: str) -> Callable[..., Any]:
        module = ModuleType(module_name)
        module.__file__ = str(self._path)
        # Dataclasses and pickle look a class's module up by its name.
        sys.modules[module_name] = module
        code = compile(self._path.read_bytes(), str(self._path), "exec", dont_inherit=True)
        self._guarded(lambda: exec(code, module.__dict__))  # noqa: S102 - the operator's settings allow it
        function: Callable[..., Any] | None = getattr(module, self._name, None)
        if not callable(function):
            raise self._refused("is no function of the file")
        return function

    def _number(self, reward: Any) -> float:
        try:
            number = float(reward)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            number = math.nan
        if not math.isfinite(number):
            raise self._refused(f"gave {show(reward)}, expected a finite number")
        return number

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """Do work in the user's code; tell what it raises, and where in the file."""
        import torch

        try:
            return work()
        except (TrainerError, torch.OutOfMemoryError):
            raise  # Told to stop while it ran; or a retry with a smaller batch helps.
        except (ConnectionError, TimeoutError) as error:
            words = f"{self._said(self._what_failed(error))}; the next attempt goes on"
            raise Unavailable(words, self._field) from error
        except (Exception, SystemExit) as error:
            raise self._refused(self._what_failed(error)) from error

    def _what_failed(self, error: BaseException) -> str:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(self._path)]
        where = f" in line {lines[-1]}" if lines else ""
        return f"failed{where}: {f'{type(error).__name__}: {error}'.splitlines()[0]}"

    def _said(self, what: str) -> str:
        return f"{self._field}: {self._name} ({self._place}) {what}"

    def _refused(self, what: str) -> BadSpec:
        return BadSpec(f"{self._said(what)}; {RUN_AGAIN}", self._field)
