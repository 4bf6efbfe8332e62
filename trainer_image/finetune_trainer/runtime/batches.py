"""Batch sizes, and how they shrink after a GPU's memory proved too small."""

import json
from dataclasses import asdict, dataclass

from finetune_api.spec.evaluation import EvaluationSpec
from finetune_api.spec.training import TrainingSpec
from finetune_trainer.runtime.workspace import Workspace, write_atomically


@dataclass(frozen=True)
class Batches:
    """Rows per forward pass, forward passes per optimizer step, and rows per forward pass when evaluating."""

    size: int
    accumulation: int
    evaluation_size: int

    def halved(self) -> "Batches":
        """Return batches of at most half the size, with as many rows per optimizer step as before."""
        smaller = next((size for size in range(self.size // 2, 0, -1) if self.size % size == 0), 1)
        return Batches(smaller, self.accumulation * (self.size // smaller), max(1, self.evaluation_size // 2))


def current_batches(training: TrainingSpec, evaluation: EvaluationSpec, workspace: Workspace) -> Batches:
    """Return the spec's batches, or the smaller ones that an earlier attempt settled on."""
    if workspace.batch_file.exists():
        return Batches(**json.loads(workspace.batch_file.read_bytes()))
    return Batches(training.batch_size, training.gradient_accumulation_steps, evaluation.batch_size)


def shrink_batches(batches: Batches, workspace: Workspace) -> Batches:
    """Let the next attempt use half the batch; return what it will use."""
    smaller = batches.halved()
    write_atomically(workspace.batch_file, json.dumps(asdict(smaller)))
    return smaller
