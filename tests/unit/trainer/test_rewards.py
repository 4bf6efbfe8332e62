"""Reward functions, what they add up to, and patterns that would hang a backtracking engine."""

import time
from typing import Any

import pytest

from finetune_api.parts.rewards import RewardFunction
from finetune_trainer.errors import BadSpec
from finetune_trainer.tasks.rewarded.reward_functions import scorer
from finetune_trainer.tasks.rewarded.rewards import RewardPart, Rewards


def scores(texts: list[str], answers: list[dict[str, str]] | None = None, **function: Any) -> list[float]:
    parsed = RewardFunction.model_validate({"name": "f", **function})
    return scorer(parsed)(texts, answers or [{}] * len(texts))


def test_regex_is_searched_anywhere_but_for_blanks_at_the_ends():
    assert scores([" 12", "a 12", "twelve"], type="Regex", regex={"pattern": "^[0-9]+$"}) == [1, 0, 0]
    assert scores(["say yes!", "no"], type="Regex", regex={"pattern": "(?i)YES"}) == [1, 0]


def test_a_pattern_that_hangs_backtracking_engines_takes_linear_time():
    started = time.monotonic()
    assert scores(["a" * 200_000 + "!"], type="Regex", regex={"pattern": "^(a+)+$"}) == [0]
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("pattern", ["(", "(?=look)ahead", r"(a)\1"])
def test_what_re2_does_not_know_is_refused(pattern: str):
    with pytest.raises(BadSpec, match="the pattern of reward function 'f' is no RE2 expression"):
        scores(["x"], type="Regex", regex={"pattern": pattern})


def test_length_near_a_target_or_within_bounds():
    assert scores(["", "12", " 1234 ", "123456", "x" * 9], type="Length", length={"targetCharacters": 4}) == [
        0, 0.5, 1, 0.5, 0
    ]  # fmt: skip
    bounds = {"minCharacters": 2, "maxCharacters": 3}
    assert scores(["1", "12", "123", "1234"], type="Length", length=bounds) == [0, 1, 1, 0]
    assert scores(["", "x" * 50], type="Length", length={"minCharacters": 1}) == [0, 1]


def test_exact_answer_whole_or_after_the_last_mark():
    answers = [{"answer": "42"}] * 3
    assert scores([" 42\n", "42.", "4 2"], answers, type="ExactAnswer") == [1, 0, 0]
    after = {"column": "answer", "after": "####"}
    texts = ["#### 1 no, #### 42", "42", "#### 41"]
    assert scores(texts, answers, type="ExactAnswer", exactAnswer=after) == [1, 0, 0]


def test_json_is_one_document_and_nothing_else():
    texts = ['{"a": [1]}', " 3 ", '{"a": 1} more', "{'a': 1}", "NaN", "[" * 100_000]
    assert scores(texts, type="JSON") == [1, 1, 0, 0, 0, 0]


def test_rewards_are_added_up_by_weight_and_told_one_by_one():
    parts = (
        RewardPart("model", 1.0, lambda _prompts, completions, _answers: [float(len(text)) for text in completions]),
        RewardPart("brief", -0.5, lambda _prompts, completions, _answers: [float(text == "") for text in completions]),
    )
    result = Rewards(parts).score(["p", "p"], ["abc", ""], [{}, {}])
    assert result.total == [3.0, -0.5]
    assert result.means() == {"reward": 1.25, "reward_model": 1.5, "reward_brief": 0.5}
