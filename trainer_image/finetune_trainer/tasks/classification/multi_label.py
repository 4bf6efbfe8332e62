"""Any number of labels for each text, none among them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from finetune_api.tasks.sequence_classification import DEFAULT_SEPARATOR, DEFAULT_THRESHOLD
from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.data.structured import looks_structured, parsed
from finetune_trainer.records import Labels
from finetune_trainer.tasks.classification.class_weights import check_weights, positive_weights
from finetune_trainer.tasks.classification.classification_target import (
    LABELS_FIELD,
    Judgement,
    LossFunction,
    Target,
    check_known,
    label_text,
    value_of,
)
from finetune_trainer.tasks.recipe import Row

NO_LABEL = "(none)"
LIST_SHAPE = 'a list of labels, ["…", "…"]'
FLAG_NAMES = {"0", "1"}
FLAGS_HINT = f"if these are flags, 0 or 1 for each label, name the labels in their order in {LABELS_FIELD}"


class MultiLabel(Target):
    """A row teaches a list of label names."""

    problem_type = "multi_label_classification"

    @property
    def threshold(self) -> float:
        """The least probability of a label that is given."""
        return self.options.threshold or DEFAULT_THRESHOLD

    def parse(self, values: dict[str, Any], labels: Labels) -> list[str]:
        """Return the labels: of a list, of one text with separators, or of flags, one for each label of the spec."""
        column = self.columns.labels
        value = value_of(values, column, "labels")
        parts = self._parts(value, column) if isinstance(value, str) else value
        if not isinstance(parts, list):
            raise RowError(column, show(value), "a list of labels; [] for none")
        if _are_flags(parts, self.options.labels):
            return [name for name, flag in zip(self.options.labels or (), parts, strict=True) if flag]
        names = [_name(part, column) for part in parts]
        if len(set(names)) < len(names):
            hint = f"labels' names, each once; {FLAGS_HINT}" if set(names) <= FLAG_NAMES else "each label once"
            raise RowError(column, f"a label twice in {show(value)}", hint)
        for name in names:
            check_known(name, labels or tuple(self.options.labels or ()), column)
        return names

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return the spec's labels, or the sorted ones of the rows, of which there must be two."""
        seen = sorted({label for row in rows for label in row["label"]})
        if len(seen) < 2:
            found = f"only the label {seen[0]!r}" if seen else "no label"
            raise problems.fail(
                f"the {len(rows)} rows have {found}; expected at least two labels in column"
                f" {self.columns.labels!r} (for one label or its absence, use problemType SingleLabel with two labels)"
            )
        if len(rows) > 1 and all(set(row["label"]) == set(seen) for row in rows):
            hint = f"; {FLAGS_HINT}" if set(seen) <= FLAG_NAMES else ""
            raise problems.fail(
                f"all {len(rows)} rows have the same labels, {', '.join(seen[:10])}, so nothing can be learnt{hint}"
            )
        _warn_of_other_separators(seen, problems)
        labels = tuple(self.options.labels or seen)
        check_weights(self.options.class_weights, labels)
        return labels

    def encode(self, label: list[str], labels: Labels) -> list[float]:
        """Return 1 for each label that the row has and 0 for the others."""
        return [float(name in label) for name in labels]

    def loss(self, encoded: Sequence[list[float]], labels: Labels) -> LossFunction:
        """Return the binary cross-entropy, a mean over rows and labels; positive ones by their labels' weights."""
        import torch

        weights = positive_weights(self.options.class_weights, labels, len(encoded), lambda: _counts(encoded, labels))
        weight = torch.tensor(weights) if weights else None

        def mean_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
            logits = outputs.logits.float()
            items = labels.numel() if num_items_in_batch is None else num_items_in_batch
            positive = None if weight is None else weight.to(logits.device)
            total = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, labels.float(), pos_weight=positive, reduction="sum"
            )
            return total / items

        return mean_loss

    def judge(self, logits: Any, encoded: list[list[float]], labels: Labels) -> Judgement:
        """Return F1 and its kin, and the labels whose probability reaches the threshold."""
        from finetune_trainer.tasks.classification.multi_label_metrics import multi_label_figures

        metrics, given = multi_label_figures(logits, encoded, labels, self.threshold)
        outputs = [self.in_words([label for label, chosen in zip(labels, row, strict=True) if chosen]) for row in given]
        return Judgement(metrics, outputs, _as_flags(given), _as_flags(encoded))

    def in_words(self, label: list[str]) -> str:
        """Return the labels in one line."""
        return ", ".join(label) or NO_LABEL

    def _parts(self, text: str, column: str) -> Any:
        """Return what stands in a text: a list, as JSON or as Python prints it, or labels with separators."""
        if looks_structured(text):
            return parsed(text, column, LIST_SHAPE)
        separator = self.options.label_separator or DEFAULT_SEPARATOR
        return text.split(separator) if text.strip() else []


def _warn_of_other_separators(seen: list[str], problems: Problems) -> None:
    """Warn if labels seem to be several in one, by a separator whose parts come again in other labels."""
    for separator in (",", ";", "/"):
        parts = {label: [part.strip() for part in label.split(separator)] for label in seen}
        times = Counter(part for each in parts.values() for part in set(each))
        joined = [label for label, each in parts.items() if len(each) > 1 and any(times[part] > 1 for part in each)]
        if joined:
            problems.warn(
                f"{len(joined)} labels, such as {show(joined[0])}, seem to be several in one; if so, set"
                f" spec.sequenceClassification.labelSeparator: '{separator}'"
            )
            return


def _are_flags(parts: list[Any], named: list[str] | None) -> bool:
    """Tell whether a row has 0 or 1 for each of the labels that the spec names."""
    numbers = all(isinstance(part, int | float) and part in (0, 1) for part in parts)
    return numbers and bool(named) and len(parts) == len(named or ()) and not FLAG_NAMES & set(named or ())


def _name(part: Any, column: str) -> str:
    name = label_text(part, column)
    if not name:
        raise RowError(column, f"{show(part)} as a label", "texts in quotes, each a label's name")
    return name


def _as_flags(rows: Sequence[Sequence[float]]) -> list[list[int]]:
    return [[int(value) for value in row] for row in rows]


def _counts(encoded: Sequence[list[float]], labels: Labels) -> list[int]:
    """Return how many rows have each label."""
    counts = [0] * len(labels)
    for row in encoded:
        counts = [count + (value > 0) for count, value in zip(counts, row, strict=True)]
    return counts
