"""One label for each text."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.records import Labels
from finetune_trainer.tasks.classification.class_weights import check_weights, label_weights
from finetune_trainer.tasks.classification.classification_target import (
    Judgement,
    LossFunction,
    Target,
    check_known,
    label_text,
    value_of,
)
from finetune_trainer.tasks.recipe import Row


class SingleLabel(Target):
    """A row teaches a label's name."""

    problem_type = "single_label_classification"

    def parse(self, values: dict[str, Any], labels: Labels) -> str:
        """Return the label: a text, or a whole number as one."""
        column = self.columns.label
        value = value_of(values, column, "label")
        label = label_text(value, column)
        if value is None or label == "":
            raise RowError(column, "nothing", "a label; remove the row if there is none")
        if label is None:
            raise RowError(column, show(value), "a label: text in quotes, or a whole number")
        check_known(label, labels or tuple(self.options.labels or ()), column)
        return label

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return the spec's labels, or the sorted ones of the rows, of which there must be two."""
        seen = sorted({row["label"] for row in rows})
        if len(seen) < 2:
            raise problems.fail(f"all {len(rows)} rows have the label {seen[0]!r}; expected at least two labels")
        labels = tuple(self.options.labels or seen)
        check_weights(self.options.class_weights, labels)
        return labels

    def encode(self, label: str, labels: Labels) -> int:
        """Return the label's number."""
        return labels.index(label)

    def loss(self, encoded: Sequence[int], labels: Labels) -> LossFunction:
        """Return the cross-entropy, each row weighted by its label's weight and divided by the number of rows."""
        import torch

        weights = label_weights(self.options.class_weights, labels, lambda: _counts(encoded, labels))
        weight = torch.tensor(weights) if weights else None

        def mean_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
            logits = outputs.logits.float()
            items = labels.numel() if num_items_in_batch is None else num_items_in_batch
            each = None if weight is None else weight.to(logits.device)
            return torch.nn.functional.cross_entropy(logits, labels, weight=each, reduction="sum") / items

        return mean_loss

    def judge(self, logits: Any, encoded: list[int], labels: Labels) -> Judgement:
        """Return accuracy and its kin, and the confusion matrix."""
        from finetune_trainer.tasks.classification.classification_metrics import classification_figures

        figures = classification_figures(logits, encoded)
        predictions = [int(index) for index in figures.predictions]
        outputs = [labels[index] for index in predictions]
        return Judgement(figures.metrics, outputs, predictions, encoded, figures.confusion)

    def in_words(self, label: str) -> str:
        """Return the label."""
        return label


def _counts(encoded: Sequence[int], labels: Labels) -> list[int]:
    """Return how many rows each label has."""
    counts = Counter(encoded)
    return [counts[index] for index in range(len(labels))]
