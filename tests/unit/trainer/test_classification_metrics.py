"""Figures of a classifier against values worked out by hand."""

import math

import pytest
import torch

from finetune_trainer.tasks.classification_metrics import classification_figures


def _logits(predictions: list[int], count: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(predictions), count).float() * 2


def test_two_labels_the_last_is_positive():
    truth, predictions = [1, 1, 1, 0, 0], [1, 1, 0, 1, 0]
    figures = classification_figures(_logits(predictions, 2), truth)
    assert figures.confusion == ((1, 1), (1, 2))
    wanted = {"accuracy": 3 / 5, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "specificity": 1 / 2}
    assert {name: figures.metrics[name] for name in wanted} == pytest.approx(wanted)
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert figures.metrics["loss"] == pytest.approx((3 * right + 2 * wrong) / 5)
    # Of 6 pairs of a positive and a negative, 2 are ordered rightly, 3 are ties, 1 is ordered wrongly.
    assert figures.metrics["roc_auc"] == pytest.approx((2 + 3 / 2) / 6)


def test_three_labels_are_averaged_over_the_labels():
    truth, predictions = [0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0]
    figures = classification_figures(_logits(predictions, 3), truth)
    assert figures.metrics["precision"] == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    assert figures.metrics["recall"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert figures.metrics["specificity"] == pytest.approx((3 / 4 + 3 / 4 + 1) / 3)


@pytest.mark.parametrize("count", [2, 3])
def test_the_area_under_the_curve_is_left_out_where_a_label_is_absent(count: int):
    figures = classification_figures(_logits([0, 0], count), [0, 0])
    assert "roc_auc" not in figures.metrics
    assert figures.metrics["accuracy"] == 1.0
    assert all(math.isfinite(value) for value in figures.metrics.values())
