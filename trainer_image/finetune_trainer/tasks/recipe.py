"""What a task has to say; training libraries are imported inside the methods that need them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune_trainer.data.problems import Problems
from finetune_trainer.device import Device
from finetune_trainer.loading import Loaded
from finetune_trainer.records import Evaluation, Labels

Row = dict[str, Any]


@dataclass(frozen=True)
class TrainerParts:
    """What a trainer is made from. `arguments` are those of transformers' TrainingArguments."""

    loaded: Loaded
    rows: list[Row]
    arguments: dict[str, Any]
    callbacks: list[Any]


@dataclass(frozen=True)
class EvaluationPlan:
    """How to evaluate: rows for each forward pass, tokens for each row, and whether to show samples."""

    device: Device
    batch_size: int
    max_length: int
    samples: bool = True


class Recipe(Protocol):
    """One task."""

    name: str
    main_metric: str
    pipeline_tag: str
    peft_task_type: str

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Return the row in the task's plain form; with `labels`, its label must be one of them. Raises RowError."""

    def labels_of(self, rows: list[Row], problems: Problems) -> Labels:
        """Return the label names that the training rows teach; empty where the task has none. Raises BadData."""

    def load(self, folder: Path, dtype: str, labels: Labels, seed: int) -> Loaded:
        """Load model and tokenizer; `seed` decides weights that the folder does not hold. Raises BadSpec."""

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Return the rows as token ids and labels, at most `max_length` tokens each. Raises BadData."""

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return the transformers Trainer that learns from encoded rows."""

    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Return figures and samples of the model on the held-out rows (not encoded)."""
