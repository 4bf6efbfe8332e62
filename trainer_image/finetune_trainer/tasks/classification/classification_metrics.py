"""Figures of a classifier, by scikit-learn."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score


@dataclass(frozen=True)
class Figures:
    """Metrics by name, the most likely label of each row, and counts by true label (rows) and prediction."""

    metrics: dict[str, float]
    predictions: list[int]
    confusion: tuple[tuple[int, ...], ...]


def classification_figures(logits: torch.Tensor, labels: list[int]) -> Figures:
    """Judge `logits` [rows, labels] by the true `labels` [rows].

    With two labels, the last is the positive one; with more, figures are means over the labels (macro) for which they
    are defined. What is not defined at all, such as the recall of a label that no row has, is left out.
    """
    count = logits.shape[1]
    truth = torch.tensor(labels)
    predictions = logits.argmax(dim=1)
    confusion = confusion_matrix(truth, predictions, labels=list(range(count)))
    metrics = {
        "loss": float(torch.nn.functional.cross_entropy(logits, truth)),
        "accuracy": float((predictions == truth).float().mean()),
        **_averaged(truth, predictions, count),
        "specificity": _specificity(confusion),
        "roc_auc": _roc_auc(truth, torch.softmax(logits, dim=1), count),
    }
    defined = {name: value for name, value in metrics.items() if not math.isnan(value)}
    return Figures(defined, predictions.tolist(), tuple(tuple(int(cell) for cell in row) for row in confusion))


def _averaged(truth: torch.Tensor, predictions: torch.Tensor, count: int) -> dict[str, float]:
    how: dict[str, Any] = {"average": "binary", "pos_label": 1} if count == 2 else {"average": "macro"}
    labels = None if count == 2 else list(range(count))
    values = precision_recall_fscore_support(truth, predictions, labels=labels, zero_division=math.nan, **how)
    return {name: float(value) for name, value in zip(("precision", "recall", "f1"), values[:3], strict=True)}


def _specificity(confusion: Any) -> float:
    """Return the share of a label's negatives that are recognised as such: the positive label's, or the mean."""
    total, rates = confusion.sum(), []
    for label in range(len(confusion)):
        negatives = total - confusion[label].sum()
        false_positives = confusion[:, label].sum() - confusion[label, label]
        rates.append(float((negatives - false_positives) / negatives) if negatives else math.nan)
    if len(rates) == 2:
        return rates[1]
    known = [rate for rate in rates if not math.isnan(rate)]
    return sum(known) / len(known) if known else math.nan


def _roc_auc(truth: torch.Tensor, probabilities: torch.Tensor, count: int) -> float:
    """Return the area under the ROC curve (one against the rest), or NaN where a label is absent from the rows."""
    if len(set(truth.tolist())) < count:
        return math.nan
    if count == 2:
        return float(roc_auc_score(truth, probabilities[:, 1]))
    return float(roc_auc_score(truth, probabilities, multi_class="ovr", average="macro", labels=list(range(count))))
