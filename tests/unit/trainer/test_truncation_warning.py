"""When a run warns that rows were cut off."""

import pytest

from finetune_api.handoff import Stage
from finetune_trainer.data.account import truncation_warning
from finetune_trainer.progress import WARNINGS, ProgressBoard
from finetune_trainer.records import TokenCounts

CASES = {
    "nothing cut off": (TokenCounts(rows=100, tokens=1000), None),
    "as much as is allowed": (TokenCounts(rows=100, tokens=950, truncated_rows=9, truncated_tokens=50), None),
    "more than is allowed": (
        TokenCounts(rows=100, tokens=900, truncated_rows=9, truncated_tokens=100),
        "10 % of the training rows' tokens lie beyond spec.training.maxLength (32) and were cut off, in 9 of 100 rows",
    ),
    "rows that were left out": (
        TokenCounts(rows=90, rows_left_out=10, tokens=900),
        "10 of 100 training rows were left out, since what they teach lies beyond spec.training.maxLength (32)",
    ),
    "a task that encodes while it trains": (TokenCounts(rows=100), None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_warning_tells_share_and_remedy(case: str):
    counts, words = CASES[case]
    warning = truncation_warning(counts, 0.05, 32)
    assert (warning or "").startswith(words or "")
    assert (warning is None) == (words is None)


def test_nothing_is_warned_of_when_all_may_be_cut_off():
    assert truncation_warning(TokenCounts(rows=1, tokens=1, truncated_rows=1, truncated_tokens=99), 1.0, 8) is None


def test_a_warning_is_given_once_and_warnings_are_few():
    board = ProgressBoard("run")
    board.enter(Stage.TRAIN)
    for number in (1, 1, *range(2, 20)):
        board.warn(f"warning {number} {'x' * 1000}")
    assert len(board.progress.warnings) == WARNINGS == len(set(board.progress.warnings))
    assert max(map(len, board.progress.warnings)) == 300
