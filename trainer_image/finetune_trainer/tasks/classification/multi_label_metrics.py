"""Figures of a classifier that gives each text any number of labels, by scikit-learn."""

import math

import torch
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    hamming_loss,
    jaccard_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from finetune_trainer.records import Labels

MOST_LABELS = 20
"""With more labels, figures of each would crowd out all others."""


def multi_label_figures(
    logits: torch.Tensor, truth: list[list[float]], labels: Labels, threshold: float
) -> tuple[dict[str, float], list[list[bool]]]:
    """Judge `logits` [rows, labels] by `truth`, 1 or 0 for each row and label; return metrics and the labels given.

    Rows without labels count as right (Jaccard 1) if none is given. What is not defined is left out, of means too: the
    F1 of a label that no row has and that is never given, the area under the ROC curve of one that no row has, or all.
    """
    wanted = torch.tensor(truth)
    probabilities = torch.sigmoid(logits)
    given = probabilities >= threshold
    y_true, y_pred = wanted.int().numpy(), given.int().numpy()
    areas = _areas(wanted, probabilities, labels)
    metrics = {
        "loss": float(torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)),
        "f1_micro": float(f1_score(y_true, y_pred, average="micro", zero_division=math.nan)),
        "f1_macro": float(f1_score(y_true, y_pred, average="macro", zero_division=math.nan)),
        "precision_micro": float(precision_score(y_true, y_pred, average="micro", zero_division=math.nan)),
        "recall_micro": float(recall_score(y_true, y_pred, average="micro", zero_division=math.nan)),
        "jaccard": float(jaccard_score(y_true, y_pred, average="samples", zero_division=1.0)),
        "subset_accuracy": float(accuracy_score(y_true, y_pred)),
        "hamming_loss": float(hamming_loss(y_true, y_pred)),
    }
    metrics = {name: value for name, value in metrics.items() if not math.isnan(value)}
    if areas:
        metrics["roc_auc"] = sum(areas.values()) / len(areas)
    if len(labels) <= MOST_LABELS:
        metrics |= {f"roc_auc_{label}": area for label, area in areas.items()}
    return metrics, given.tolist()


def _areas(wanted: torch.Tensor, probabilities: torch.Tensor, labels: Labels) -> dict[str, float]:
    return {
        label: float(roc_auc_score(wanted[:, index], probabilities[:, index]))
        for index, label in enumerate(labels)
        if 0 < wanted[:, index].sum() < len(wanted)
    }
