"""When a run warns that rows were cut off."""

from typing import Any

import pytest

from finetune_api.handoff import Stage
from finetune_trainer.data.account import truncation_warning
from finetune_trainer.records import TokenCounts
from finetune_trainer.runtime.progress import WARNINGS, ProgressBoard

WISHED: dict[str, Any] = {"row_limit": 32, "row_limit_source": "spec.training.maxLength"}
PLACED: dict[str, Any] = {"row_limit": 64, "row_limit_source": "the model's positions"}
CASES: dict[str, tuple[TokenCounts, str | None]] = {
    "nothing cut off": (TokenCounts(rows=100, tokens=1000), None),
    "as much as is allowed": (TokenCounts(rows=100, tokens=950, truncated_rows=9, truncated_tokens=50), None),
    "more than is allowed": (
        TokenCounts(rows=100, tokens=900, truncated_rows=9, truncated_tokens=100, **WISHED),
        "10 % of the training rows' tokens lie beyond 32 tokens (spec.training.maxLength) and were cut off, in 9 of 100"
        " rows; raise spec.training.maxLength, or shorten the rows",
    ),
    "more than the model can place": (
        TokenCounts(rows=100, tokens=900, truncated_rows=9, truncated_tokens=100, **PLACED),
        "10 % of the training rows' tokens lie beyond 64 tokens (the model's positions) and were cut off, in 9 of 100"
        " rows; shorten the rows, or use a model that takes longer ones",
    ),
    "rows that were left out": (
        TokenCounts(rows=90, rows_left_out=10, tokens=900, **WISHED),
        "10 of 100 training rows were left out, since what they teach lies beyond 32 tokens (spec.training.maxLength)",
    ),
    "a task that encodes while it trains": (TokenCounts(rows=100), None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_warning_tells_share_and_remedy(case: str):
    counts, words = CASES[case]
    warning = truncation_warning(counts, 0.05)
    assert (warning or "").startswith(words or "")
    assert (warning is None) == (words is None)


def test_nothing_is_warned_of_when_all_may_be_cut_off():
    assert truncation_warning(TokenCounts(rows=1, tokens=1, truncated_rows=1, truncated_tokens=99), 1.0) is None


def test_a_warning_is_given_once_and_warnings_are_few():
    board = ProgressBoard("run")
    board.enter(Stage.TRAIN)
    for number in (1, 1, *range(2, 20)):
        board.warn(f"warning {number} {'x' * 1000}")
    assert len(board.progress.warnings) == WARNINGS == len(set(board.progress.warnings))
    assert max(map(len, board.progress.warnings)) == 300
