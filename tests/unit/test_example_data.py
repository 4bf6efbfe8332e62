"""Data of the examples that is derived from other data is what its script makes of it."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["train.jsonl", "held_out.jsonl"])
def test_judged_answers_are_those_of_the_pairs(name: str):
    judged = runpy.run_path(str(EXAMPLES / "assistant-kto/judge_pairs.py"))["judged"]
    pairs = (EXAMPLES / "assistant-dpo/data" / name).read_text()
    assert (EXAMPLES / "assistant-kto/data" / name).read_text() == judged(pairs)
