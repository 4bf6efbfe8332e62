"""Stage Evaluate: the tuned and the base model, judged by the same held-out rows."""

from dataclasses import dataclass

from finetune_api.handoff import RunRequest
from finetune_trainer.data.rows import load_rows
from finetune_trainer.log import say
from finetune_trainer.models.loading import LoadPlan
from finetune_trainer.records import DataRecord, EvaluateRecord, Evaluation, ModelRecord, TrainRecord
from finetune_trainer.runtime.batches import Batches
from finetune_trainer.runtime.device import Device
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.stages.refusals import HeldRows
from finetune_trainer.tasks import Recipe
from finetune_trainer.tasks.recipe import EvaluationPlan
from finetune_trainer.user_code.own_metrics import OwnMetrics


@dataclass(frozen=True)
class Judge:
    """All that evaluations work with."""

    request: RunRequest
    recipe: Recipe
    device: Device
    batches: Batches
    workspace: Workspace

    def evaluate_base(self, data: DataRecord, model: ModelRecord) -> Evaluation:
        """Judge the untouched base model; done before the training, which needs its memory."""
        return self._evaluate("base", model.folder, data, model)

    def evaluate_tuned(
        self, data: DataRecord, model: ModelRecord, train: TrainRecord, baseline: Evaluation | None
    ) -> EvaluateRecord:
        """Judge the tuned model: the very files that will be published."""
        tuned = self._evaluate("tuned", train.folder, data, model)
        test = self._evaluate("tuned", train.folder, data, model, data.test_file) if data.test_file else None
        return EvaluateRecord(tuned, baseline, test)

    def _evaluate(
        self, which: str, folder: str, data: DataRecord, model: ModelRecord, test_file: str | None = None
    ) -> Evaluation:
        on_gpu = self.device.name == "cuda" and self.device.bfloat16
        path = self.workspace.path(folder)
        how = LoadPlan("bfloat16" if on_gpu else "float32", self.request.training.seed)
        loaded = self.recipe.load(path, how, data.labels)
        stored = load_rows(self.workspace.path(test_file or data.evaluation_file))
        held = HeldRows(stored, self.request.dataset, "test" if test_file else "evaluation")
        plan = EvaluationPlan(
            self.device,
            self.batches.evaluation_size,
            self.request.training.max_length,
            samples=test_file is None,
            models=self.workspace.model_folders(model),
            own_metrics=OwnMetrics(self.request.evaluation.metrics or (), self.workspace.metrics),
        )
        with held.named(self.recipe, loaded, plan.max_length):
            evaluation = self.recipe.evaluate(loaded, list(stored), plan)
        say("evaluate", f"{which} model{' on the test rows' if test_file else ''}: {figures(evaluation.metrics)}")
        return evaluation


def figures(metrics: dict[str, float]) -> str:
    """Return metrics in one line for people."""
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
