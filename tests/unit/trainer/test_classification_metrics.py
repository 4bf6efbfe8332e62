"""Figures of a classifier against values worked out by hand."""

import math

import pytest
import torch

from finetune_api.tasks.sequence_classification import ClassWeights
from finetune_trainer.tasks.classification.class_weights import label_weights, positive_weights
from finetune_trainer.tasks.classification.classification_metrics import classification_figures
from finetune_trainer.tasks.classification.multi_label_metrics import multi_label_figures
from finetune_trainer.tasks.classification.regression_metrics import regression_figures
from finetune_trainer.tasks.tagging.entity_metrics import entity_figures


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


UNDEFINED: dict[str, tuple[list[int], list[int], int, dict[str, float | None]]] = {
    "a label that is absent, all right": ([0, 1], [0, 1], 3, {"precision": 1.0, "recall": 1.0, "f1": 1.0}),
    "a label that is absent, but predicted": (
        [0, 0, 1, 1],
        [0, 2, 1, 1],
        3,
        {"precision": 2 / 3, "recall": 3 / 4, "f1": (2 / 3 + 1 + 0) / 3},
    ),
    "a label that is never predicted": (
        [0, 1, 2],
        [0, 1, 1],
        3,
        {"precision": (1 + 1 / 2) / 2, "recall": 2 / 3, "f1": (1 + 2 / 3 + 0) / 3},
    ),
    "negatives alone, all right": ([0, 0], [0, 0], 2, {"precision": None, "recall": None, "f1": None}),
    "negatives alone, one wrong": ([0, 0], [0, 1], 2, {"precision": 0.0, "recall": None, "f1": 0.0}),
    "positives alone, all right": ([1, 1], [1, 1], 2, {"precision": 1.0, "recall": 1.0, "f1": 1.0}),
    "no positive predicted": ([0, 1], [0, 0], 2, {"precision": None, "recall": 0.0, "f1": 0.0}),
}


@pytest.mark.parametrize("case", UNDEFINED)
def test_figures_of_labels_that_are_not_defined_are_left_out(case: str):
    truth, predictions, count, wanted = UNDEFINED[case]
    figures = classification_figures(_logits(predictions, count), truth)
    assert {name: figures.metrics.get(name) for name in wanted} == pytest.approx(wanted)


ONE, ZERO = 2.0, -2.0


def test_a_label_that_no_row_has_and_none_is_given_is_in_no_mean():
    metrics, _ = multi_label_figures(
        torch.tensor([[ONE, ZERO], [ZERO, ZERO]]), [[1.0, 0.0], [0.0, 0.0]], ("a", "b"), 0.5
    )
    assert metrics["f1_macro"] == 1.0
    metrics, _ = multi_label_figures(torch.tensor([[ZERO, ZERO]]), [[0.0, 0.0]], ("a", "b"), 0.5)
    assert not {"f1_macro", "f1_micro", "precision_micro", "recall_micro"} & metrics.keys()
    assert metrics["jaccard"] == 1.0
    metrics, _ = multi_label_figures(torch.tensor([[ONE, ZERO]]), [[0.0, 0.0]], ("a", "b"), 0.5)
    assert {name: metrics.get(name) for name in ("precision_micro", "recall_micro", "f1_macro")} == {
        "precision_micro": 0.0,
        "recall_micro": None,
        "f1_macro": 0.0,
    }


def test_several_labels_against_figures_worked_out_by_hand():
    truth = [[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    logits = torch.tensor([[ONE, ZERO, ZERO], [ZERO, ONE, ZERO], [ZERO, ZERO, ZERO], [ZERO, ZERO, ONE]])
    metrics, given = multi_label_figures(logits, truth, ("a", "b", "c"), 0.5)
    assert given == [[True, False, False], [False, True, False], [False] * 3, [False, False, True]]
    # 2 right, 1 wrong, 2 missed; by label F1 is 2/3, 2/3 and 0.
    wanted = {
        "f1_micro": 4 / 7,
        "f1_macro": 4 / 9,
        "precision_micro": 2 / 3,
        "recall_micro": 2 / 4,
        "jaccard": (1 / 2 + 1 + 1 + 0) / 4,
        "subset_accuracy": 2 / 4,
        "hamming_loss": 3 / 12,
        "roc_auc_a": 3 / 4,
        "roc_auc_b": 3 / 4,
        "roc_auc": 3 / 4,
    }
    assert {name: metrics[name] for name in wanted} == pytest.approx(wanted)
    assert "roc_auc_c" not in metrics, "no row has it"
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert metrics["loss"] == pytest.approx((9 * right + 3 * wrong) / 12)


def test_the_threshold_decides_which_labels_are_given():
    probability = torch.sigmoid(torch.tensor([[1.0, -1.0]]))
    for threshold, given in [(0.2, [True, True]), (0.5, [True, False]), (0.8, [False, False])]:
        assert (probability >= threshold).tolist() == [given]
        assert multi_label_figures(torch.tensor([[1.0, -1.0]]), [[1.0, 0.0]], ("a", "b"), threshold)[1] == [given]


def test_with_many_labels_the_figures_of_each_are_left_out():
    labels = tuple(f"label {number}" for number in range(21))
    metrics, _ = multi_label_figures(torch.eye(21) * 4 - 2, torch.eye(21).tolist(), labels, 0.5)
    assert metrics["roc_auc"] == 1.0
    assert not any(name.startswith("roc_auc_") for name in metrics)


def test_numbers_against_figures_worked_out_by_hand():
    metrics = regression_figures([1.0, 2.0, 5.0], [1.0, 3.0, 5.0])
    assert metrics == pytest.approx(
        {"loss": 1 / 3, "mse": 1 / 3, "mae": 1 / 3, "r2": 1 - 1 / 8, "pearson": 8 / math.sqrt(8 * 26 / 3)}
    )


@pytest.mark.parametrize(
    ("predictions", "truth", "names"),
    [
        ([1.0, 2.0], [3.0, 3.0], {"loss", "mse", "mae"}),
        ([2.0, 2.0], [1.0, 3.0], {"loss", "mse", "mae", "r2"}),
        ([1.0], [2.0], {"loss", "mse", "mae"}),
    ],
)
def test_figures_of_numbers_that_are_not_defined_are_left_out(
    predictions: list[float], truth: list[float], names: set[str]
):
    metrics = regression_figures(predictions, truth)
    assert metrics.keys() == names
    assert all(math.isfinite(value) for value in metrics.values())


def test_entities_are_right_only_as_a_whole():
    truth = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O", "O", "O"]]
    predictions = [["B-PER", "O", "O", "B-LOC"], ["I-LOC", "O", "B-ORG", "O"]]
    metrics = entity_figures(truth, predictions)
    # Of 3 entities 1 is found; of 3 predicted ones (an I- alone is none) 1 is right.
    assert metrics == pytest.approx(
        {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3, "accuracy": 5 / 8, "f1_LOC": 2 / 3, "f1_PER": 0.0}
    )


def test_where_there_is_no_entity_only_the_tags_are_judged():
    assert entity_figures([["O", "O"]], [["O", "O"]]) == {"accuracy": 1.0}
    assert entity_figures([["O", "O"]], [["O", "B-X"]]) == {"precision": 0.0, "f1": 0.0, "accuracy": 0.5}
    assert entity_figures([["O", "B-X"]], [["O", "O"]]) == {"recall": 0.0, "f1": 0.0, "accuracy": 0.5, "f1_X": 0.0}


@pytest.mark.parametrize("method", ["Balanced", "PerLabel"])
def test_weights_of_labels(method: str):
    stated = {"per_label": {"b": 3.0}} if method == "PerLabel" else {}
    spec = ClassWeights.model_validate({"method": method, **stated})
    single = label_weights(spec, ("a", "b", "c"), lambda: [6, 2, 0])
    positive = positive_weights(spec, ("a", "b", "c"), 8, lambda: [6, 2, 0])
    assert single == ([1.0, 3.0, 1.0] if stated else [8 / 12, 8 / 4, 1.0])
    assert positive == ([1.0, 3.0, 1.0] if stated else [2 / 6, 6 / 2, 1.0])
    assert label_weights(None, ("a", "b"), lambda: [1, 1]) is None
