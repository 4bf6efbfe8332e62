"""What a text classifier is taught about a text: a label, labels, or a number. One class for each, one form here."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from finetune_api.spec.dataset import Columns
from finetune_api.tasks.sequence_classification import SequenceClassificationOptions
from finetune_trainer.data.class_names import Nameless
from finetune_trainer.data.problems import MissingColumnError, Problems, RowError, show
from finetune_trainer.data.template import listed
from finetune_trainer.records import Labels
from finetune_trainer.tasks.recipe import Row

LABELS_FIELD = "spec.sequenceClassification.labels"

LossFunction = Callable[..., Any]
"""As Trainer calls it: of the model's outputs, the labels, and how many of them the optimizer step has in all.

The models' own loss is a mean over each forward pass, which Trainer then adds up instead of averaging.
"""


@dataclass(frozen=True)
class Judgement:
    """Metrics by name, what the model says of each row, and counts by true label (rows) and prediction, if any.

    `predictions` and `references` are what metrics of the user's own get: labels' numbers, lists of 0 or 1, or
    numbers.
    """

    metrics: dict[str, float]
    outputs: list[str]
    predictions: list[Any]
    references: list[Any]
    confusion: tuple[tuple[int, ...], ...] = ()


class Target(ABC):
    """Rows hold what is taught under the key `label`, in a form of the target's own that JSON can hold."""

    problem_type: ClassVar[str]
    """What transformers calls it."""

    def __init__(self, options: SequenceClassificationOptions, columns: Columns) -> None:
        self.options = options
        self.columns = columns

    @abstractmethod
    def parse(self, values: dict[str, Any], labels: Labels) -> Any:
        """Return what the row teaches; its labels must be of `labels`, or of the spec's. Raises RowError."""

    @abstractmethod
    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return the label names that the rows teach; empty where there are none. Raises BadData, BadSpec."""

    @property
    def threshold(self) -> float | None:
        """The least probability of a label that is given, where any number of labels are."""
        return None

    @abstractmethod
    def encode(self, label: Any, labels: Labels) -> Any:
        """Return what a row teaches as the loss takes it."""

    @abstractmethod
    def loss(self, encoded: Sequence[Any], labels: Labels) -> LossFunction:
        """Return the loss to learn by; `encoded` is what all training rows teach. Raises BadSpec."""

    @abstractmethod
    def judge(self, logits: Any, encoded: list[Any], labels: Labels) -> Judgement:
        """Judge the model's outputs, float32 [rows, outputs]."""

    @abstractmethod
    def in_words(self, label: Any) -> str:
        """Return what a row teaches, for people."""


def value_of(values: dict[str, Any], column: str, field: str) -> Any:
    """Return a column's value. Raises MissingColumnError that names the field of `spec.dataset.columns`."""
    if column not in values:
        hint = f"one that holds the {field}; there are {listed(values)}; name it in spec.dataset.columns.{field}"
        raise MissingColumnError(column, "no such column", hint)
    return values[column]


def text_of(values: dict[str, Any], column: str, field: str) -> str:
    """Return a column's text. Raises RowError for anything else."""
    value = value_of(values, column, field)
    if not isinstance(value, str):
        raise RowError(column, show(value), "text in quotes")
    return value


def label_text(value: Any, column: str) -> str | None:
    """Return a label's name: a text without blanks around it, a whole number, true or false; None for all else.

    Raises RowError for the number of a class that has no name.
    """
    match value:
        case Nameless():
            raise RowError(column, f"{value}, which stands for no class of the file", f"a class; {_left_out(column)}")
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case str() | int():
            return str(value).strip()
        case _:
            return None


def _left_out(column: str) -> str:
    return f"leave such rows out by spec.dataset.filter, with column: {column}, operator: NotIn, values: ['-1']"


def check_known(label: str, allowed: Labels, column: str) -> None:
    """Raise RowError if labels are given and this is none of them."""
    if allowed and label not in allowed:
        more = ", …" if len(allowed) > 10 else ""
        raise RowError(column, show(label), f"one of {', '.join(allowed[:10])}{more} ({LABELS_FIELD})")
