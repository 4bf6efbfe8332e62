"""How much each label counts in the loss of a classifier."""

from collections.abc import Callable

from finetune_api.tasks.sequence_classification import ClassWeightMethod, ClassWeights
from finetune_trainer.errors import BadSpec
from finetune_trainer.records import Labels

Counting = Callable[[], list[int]]
"""Counts the training rows of each label; called where weights depend on them."""
FIELD = "spec.sequenceClassification.classWeights.perLabel"


def check_weights(spec: ClassWeights | None, labels: Labels) -> None:
    """Raise BadSpec if a weight is for a label that there is not."""
    unknown = sorted(set((spec and spec.per_label) or {}) - set(labels))
    if unknown:
        raise BadSpec(f"{FIELD}: there is no label {unknown[0]!r}; the labels are {', '.join(labels[:10])}", FIELD)


def label_weights(spec: ClassWeights | None, labels: Labels, count: Counting) -> list[float] | None:
    """Return the weight of a row by its one label, or None if all count alike.

    Balanced weights are scikit-learn's: rows / (labels x rows of the label).
    """
    if spec is None or spec.method is ClassWeightMethod.PER_LABEL:
        return _stated(spec, labels)
    counts = count()
    present = sum(number > 0 for number in counts)
    return [sum(counts) / (present * number) if number else 1.0 for number in counts]


def positive_weights(spec: ClassWeights | None, labels: Labels, rows: int, count: Counting) -> list[float] | None:
    """Return the weight of each label's positive rows, or None if all count alike.

    Balanced weights are negative rows / positive rows; a label that all rows have, or none, keeps weight 1.
    """
    if spec is None or spec.method is ClassWeightMethod.PER_LABEL:
        return _stated(spec, labels)
    return [(rows - number) / number if 0 < number < rows else 1.0 for number in count()]


def _stated(spec: ClassWeights | None, labels: Labels) -> list[float] | None:
    return [spec.per_label.get(label, 1.0) for label in labels] if spec and spec.per_label else None
