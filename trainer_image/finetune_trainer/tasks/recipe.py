"""What a task has to say; training libraries are imported inside the methods that need them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from finetune_api.handoff import RunRequest
from finetune_trainer.data.problems import Problems
from finetune_trainer.data.template import Template
from finetune_trainer.models.limits import Side
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.records import Evaluation, Labels
from finetune_trainer.runtime.device import Device
from finetune_trainer.user_code.own_metrics import NO_METRICS, OwnMetrics

Row = dict[str, Any]


@dataclass(frozen=True)
class TrainerParts:
    """What a trainer is made from.

    `arguments` are those of transformers' TrainingArguments; `models` the folders of all models that the
    job reads, by their names in `RunRequest.models`; `model` is the untouched one that `loaded` was made from.
    `rows` are the encoded ones, a datasets.Dataset that is mapped from a file.
    """

    loaded: Loaded
    rows: Any
    arguments: dict[str, Any]
    callbacks: list[Any]
    device: Device
    models: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationPlan:
    """How to evaluate: rows for each forward pass, tokens for each row, and whether to show samples.

    `models` are as in TrainerParts. `own_metrics` are the job's own, for the tasks that take them.
    """

    device: Device
    batch_size: int
    max_length: int
    samples: bool = True
    models: dict[str, Path] = field(default_factory=dict)
    own_metrics: OwnMetrics = NO_METRICS


class Recipe(ABC):
    """One task. Rows have the task's own plain form from `parse_row` on."""

    pipeline_tag: ClassVar[str]
    """What the Hub calls the task."""
    peft_task_type: ClassVar[str]
    """What PEFT calls the task."""
    usage: ClassVar[str]
    """Python for the model card, with {input} and {tokens}, after `from transformers import pipeline`."""
    reading_side: ClassVar[Side | None] = None
    """The part of the model that reads the rows, if it is an encoder-decoder of which only one does."""

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self.columns = request.dataset.columns
        self.template = Template(request.dataset.template) if request.dataset.template else None

    @abstractmethod
    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Return the row in the task's plain form; with `labels`, its label must be one of them. Raises RowError."""

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return the label names that the training rows teach; empty where the task has none. Raises BadData."""
        del rows, problems
        return ()

    @abstractmethod
    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load model and tokenizer as `plan` says. Raises BadSpec for a model that does not fit the task."""

    @abstractmethod
    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Return what the trainer learns from: token ids and labels, at most `max_length` tokens for each row.

        Called with one batch of rows after the other, and only once for the same rows and settings, so it must be a
        function of each row alone, and return plain lists. A row that teaches nothing may be left out. A row that is
        cut off says by how many tokens under the key `truncated_tokens`. Raises BadData.
        """

    @abstractmethod
    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return the transformers Trainer that learns from encoded rows."""

    @abstractmethod
    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Return figures and samples of the model on the held-out rows (not encoded)."""
