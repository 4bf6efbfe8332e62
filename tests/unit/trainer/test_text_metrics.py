"""ROUGE, BLEU and exact matches, worked out by hand."""

import pytest

from finetune_trainer.tasks.language.text_metrics import text_metrics


def test_figures_are_those_worked_out_by_hand():
    figures = text_metrics(["The pool closes on Monday", "Bus 4 is late"], ["Pool closes Monday", "Bus 4 is late"])
    # First row: 3 of 5 words found, 3 of 3 wanted; pairs: "pool closes" of 4 and of 2; the longest common row has 3.
    assert figures["rouge1"] == pytest.approx((2 * 0.6 / 1.6 + 1) / 2)
    assert figures["rouge2"] == pytest.approx((2 * 0.25 * 0.5 / 0.75 + 1) / 2)
    assert figures["rougeL"] == pytest.approx((2 * 0.6 / 1.6 + 1) / 2)
    assert figures["exact_match"] == 0.5
    # Matches of 1 to 4 words in a row: 6 of 9 (case counts), 3 of 7, 2 of 5, 1 of 3; 9 words against 7: no penalty.
    assert figures["bleu"] == pytest.approx(100 * (6 / 9 * 3 / 7 * 2 / 5 * 1 / 3) ** 0.25)


def test_nothing_written_scores_nothing():
    figures = text_metrics(["", ""], ["a b c d", "e f g h"])
    assert set(figures.values()) == {0.0}
