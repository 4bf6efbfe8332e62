"""A number for each text."""

import math
from collections.abc import Sequence
from typing import Any

from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.records import Labels
from finetune_trainer.tasks.classification.classification_target import Judgement, LossFunction, Target, value_of
from finetune_trainer.tasks.recipe import Row

IGNORED = -100.0
LARGEST = 1e6


class Regression(Target):
    """A row teaches a number."""

    problem_type = "regression"

    def parse(self, values: dict[str, Any], labels: Labels) -> float:
        """Return the number, which JSON has as one and CSV as a text."""
        del labels
        column = self.columns.label
        value = value_of(values, column, "label")
        number = _number(value)
        if number is None or not math.isfinite(number):
            raise RowError(column, show(value), "a number, such as 3.5")
        if abs(number) > LARGEST:
            raise RowError(column, show(value), f"a number within ±{LARGEST:,.0f}; scale the numbers down, best to ±1")
        if number == IGNORED:
            # Trainer counts the labels of a batch without those of this value.
            raise RowError(column, show(value), "any number but -100, which stands for 'no label'; scale the numbers")
        return number

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return no names; the rows must not all have the same number."""
        if len({row["label"] for row in rows}) < 2:
            raise problems.fail(f"all {len(rows)} rows have the number {rows[0]['label']:g}; nothing can be learnt")
        return ()

    def encode(self, label: float, labels: Labels) -> float:
        """Return the number."""
        del labels
        return label

    def loss(self, encoded: Sequence[float], labels: Labels) -> LossFunction:
        """Return the mean squared error."""
        del encoded, labels
        from torch.nn.functional import mse_loss

        def mean_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
            items = labels.numel() if num_items_in_batch is None else num_items_in_batch
            return mse_loss(outputs.logits.float().squeeze(-1), labels.float(), reduction="sum") / items

        return mean_loss

    def judge(self, logits: Any, encoded: list[float], labels: Labels) -> Judgement:
        """Return errors and correlation."""
        del labels
        from finetune_trainer.tasks.classification.regression_metrics import regression_figures

        predictions = logits[:, 0].tolist()
        outputs = [self.in_words(prediction) for prediction in predictions]
        return Judgement(regression_figures(predictions, encoded), outputs, predictions, encoded)

    def in_words(self, label: float) -> str:
        """Return the number, rounded."""
        return f"{label:.4g}"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
