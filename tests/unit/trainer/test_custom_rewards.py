"""Reward functions of the user's own: what they get and give, and what is said when they go wrong."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune_api.parts.config_maps import ConfigMapKeyRef
from finetune_api.parts.rewards import RewardFunction
from finetune_trainer.errors import BadSpec, MissingInput, Preempted, Unavailable
from finetune_trainer.tasks.rewarded.custom_rewards import CustomReward
from finetune_trainer.user_code.code import keep_code

PLACE = ConfigMapKeyRef(name="rewards", key="polite.py")
WANTED = {"f": ("spec.grpo.rewardFunctions[polite].python.configMapKeyRef", PLACE)}
FIELD = r"spec\.grpo\.rewardFunctions\[polite\]\.python"
SOURCE = r"key polite\.py of ConfigMap rewards"
AGAIN = "; correct it and set spec.runId to a new value$"


def reward(folder: Path, code: str, **options: Any) -> CustomReward:
    function = RewardFunction.model_validate(
        {"name": "polite", "type": "Python", "python": {"configMapKeyRef": PLACE.to_wire(), **options}}
    )
    assert function.python
    (folder / "polite").write_text(code)
    return CustomReward(function, function.python, folder / "polite", "spec.grpo")


def scores(folder: Path, code: str, **options: Any) -> list[float]:
    answers = [{"mood": "calm"}, {"mood": "cross"}] if options.get("columns") else [{}, {}]
    return reward(folder, code, **options).score(["p", "q"], ["please", "now"], answers)


def test_gets_prompts_completions_and_columns_by_name(tmp_path: Path) -> None:
    code = (
        "def polite(prompts, completions, mood):\n"
        "    return [float(p == 'p') + (c == 'please') + 10 * (m == 'cross')"
        " for p, c, m in zip(prompts, completions, mood)]"
    )
    assert scores(tmp_path, code, function="polite", columns=["mood"]) == [2.0, 10.0]


@pytest.mark.parametrize("given", ["[True, 0]", "(1, 0)", "__import__('numpy').array([1, 0])"])
def test_takes_what_stands_for_numbers(tmp_path: Path, given: str) -> None:
    assert scores(tmp_path, f"def reward(**given):\n    return {given}") == [1.0, 0.0]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "import absent_module",
            r"failed in line 1: ModuleNotFoundError: No module named 'absent_module' \(packages .*compute\.image\)",
        ),
        ("raise SystemExit(3)", "failed in line 1: SystemExit: 3"),
        ("reward = 3", "is no function of the file"),
        ("def reward(texts):\n    return []", "failed: TypeError: .*unexpected keyword argument 'prompts'"),
        ("def reward(**given):\n    x = 1\n    return 1 / 0", "failed in line 3: ZeroDivisionError: division by zero"),
        ("def reward(**given):\n    return 1", "gave 1 for 2 completions"),
        ("def reward(**given):\n    return [1]", "gave 1 values for 2 completions"),
        ("def reward(**given):\n    return [1, None]", "gave null, expected a finite number"),
        ("def reward(**given):\n    return [1, float('inf')]", "gave Infinity, expected a finite number"),
        ("def reward(**given):\n    return [1, 10 ** 400]", "gave 10+…, expected a finite number"),
    ],
)
def test_what_goes_wrong_is_told_with_field_file_and_line(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(BadSpec, match=rf"^{FIELD}: reward \({SOURCE}\) {words}{AGAIN}"):
        scores(tmp_path, code)


def test_what_a_retry_may_mend_is_no_mistake_of_the_code(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=rf"reward \({SOURCE}\) failed in line 2: ConnectionRefusedError: no judge;"):
        scores(tmp_path, "def reward(**given):\n    raise ConnectionRefusedError('no judge')")
    with pytest.raises(torch.OutOfMemoryError):
        scores(tmp_path, "import torch\ndef reward(**given):\n    raise torch.OutOfMemoryError()")


def test_being_told_to_stop_while_it_runs_is_no_mistake_of_the_code(tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise Preempted("told to stop")

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(Preempted):
            scores(tmp_path, "import signal\ndef reward(**given):\n    signal.raise_signal(signal.SIGUSR1)")
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_classes_of_the_file_are_found_by_their_module(tmp_path: Path) -> None:
    code = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass One:\n    x: float\n"
        "def reward(completions, **given):\n    return [One(1.5).x for _ in completions]"
    )
    assert scores(tmp_path, code) == [1.5, 1.5]


def test_code_is_kept_as_it_was_when_the_run_began(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("def reward(**given): ...")
    digests = keep_code(WANTED, tmp_path, tmp_path / "kept")
    (tmp_path / "f").write_text("changed")
    assert (tmp_path / "kept/f").read_text() == "def reward(**given): ..."
    assert digests["f"].startswith("sha256:")


def test_code_that_is_missing_or_not_python_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=rf"{SOURCE} is not mounted"):
        keep_code(WANTED, tmp_path, tmp_path / "kept")
    for code, words in (
        ("def reward(**given):\n    return [", r", line 2 is not Python: '\[' was never closed"),
        ("return 1", ", line 1 is not Python: 'return' outside function"),
        ("x = '\0'", " is not Python: source code string cannot contain null bytes"),
    ):
        (tmp_path / "f").write_text(code)
        with pytest.raises(BadSpec, match=rf"{SOURCE}{words}{AGAIN}"):
            keep_code(WANTED, tmp_path, tmp_path / "kept")
