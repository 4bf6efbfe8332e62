"""Stage Train: learn, with checkpoints, and leave the tuned model merged and in safetensors."""

import gc
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.training import DEFAULT_EPOCHS, TrainingSpec
from finetune_api.tuning import TuningMethod
from finetune_trainer import checkpoints, tuning
from finetune_trainer.batches import Batches
from finetune_trainer.data.rows import load_rows
from finetune_trainer.device import Device
from finetune_trainer.encoding import Encoded, encode_rows
from finetune_trainer.errors import NonFiniteLoss, Preempted
from finetune_trainer.loading import Loaded, LoadPlan
from finetune_trainer.log import say
from finetune_trainer.preemption import Preemption
from finetune_trainer.progress import ProgressBoard
from finetune_trainer.records import DataRecord, ModelRecord, TrainRecord
from finetune_trainer.tasks import Recipe
from finetune_trainer.tasks.recipe import EvaluationPlan, TrainerParts
from finetune_trainer.workspace import Workspace


@dataclass(frozen=True)
class Training:
    """All that stage Train works with."""

    request: RunRequest
    recipe: Recipe
    device: Device
    batches: Batches
    workspace: Workspace
    board: ProgressBoard
    preemption: Preemption

    def run(self, data: DataRecord, model: ModelRecord) -> TrainRecord:
        """Train, resuming from the newest complete checkpoint if there is one.

        Raises Preempted once a checkpoint is saved, NonFiniteLoss, BadSpec, BadData.
        """
        base = self.workspace.path(model.folder)
        loaded = self.recipe.load(base, self._load_plan(), data.labels)
        learner = tuning.prepare(loaded, self.request.tuning, self.request.training, self.recipe.peft_task_type)
        trainable, total = tuning.count_parameters(learner)
        self.board.update(trainable_parameters=trainable)
        encoded = self._encode(loaded, data)
        trainer = self._build_trainer(Loaded(learner, loaded.tokenizer), loaded, encoded.rows, data, model)
        say("train", f"{trainable:,} of {total:,} parameters learn")
        resumed = self._fit(trainer)
        record = TrainRecord(
            folder=self.workspace.relative(self.workspace.tuned),
            steps=trainer.state.global_step,
            epochs=round(float(trainer.state.epoch or 0), 4),
            metrics=_train_metrics(trainer.state.log_history),
            trainable_parameters=trainable,
            total_parameters=total,
            resumed_from_step=resumed,
            loss_history=_losses(trainer.state.log_history),
            tokens=encoded.counts,
        )
        self._save(trainer, loaded, data, model)
        return record

    def _load_plan(self) -> LoadPlan:
        return LoadPlan(tuning.training_dtype(self.request.tuning, self.device), self.request.training.seed)

    def _encode(self, loaded: Loaded, data: DataRecord) -> Encoded:
        rows, length = load_rows(self.workspace.path(data.train_file)), self.request.training.max_length
        return encode_rows(self.recipe, rows, loaded, length, self.workspace.encoded)

    def _build_trainer(self, learner: Loaded, loaded: Loaded, rows: Any, data: DataRecord, model: ModelRecord) -> Any:
        from transformers import PrinterCallback

        from finetune_trainer import callbacks

        spec = self.request.training
        hooks = [
            callbacks.ReportProgress(self.board, self.batches.size * self.batches.accumulation),
            callbacks.KeepCheckpoints(self.workspace.checkpoints, self.preemption),
        ]
        if spec.evaluation_interval_steps:
            evaluate = self._evaluator(loaded, data, model)
            hooks.append(callbacks.EvaluateMeanwhile(spec.evaluation_interval_steps, evaluate, self.board))
        parts = TrainerParts(
            loaded=learner,
            rows=rows,
            arguments=training_arguments(spec, self.batches, self.device, self.workspace.checkpoints),
            callbacks=hooks,
            device=self.device,
            models=self.workspace.model_folders(model),
        )
        trainer = self.recipe.build_trainer(parts)
        trainer.remove_callback(PrinterCallback)
        return trainer

    def _evaluator(self, loaded: Loaded, data: DataRecord, model: ModelRecord) -> Callable[[Any], dict[str, float]]:
        rows = list(load_rows(self.workspace.path(data.evaluation_file)))
        plan = EvaluationPlan(
            self.device,
            self.batches.evaluation_size,
            self.request.training.max_length,
            samples=False,
            models=self.workspace.model_folders(model),
        )

        def evaluate(model: Any) -> dict[str, float]:
            return self.recipe.evaluate(Loaded(model, loaded.tokenizer), rows, plan).metrics

        return evaluate

    def _fit(self, trainer: Any) -> int | None:
        """Run the loop; return the step that it resumed from."""
        checkpoint = checkpoints.newest_complete(self.workspace.checkpoints)
        resumed = checkpoints.step_of(checkpoint) if checkpoint else None
        if resumed is not None:
            say("train", f"resuming from the checkpoint at step {resumed}")
            self.board.update(resumed_from_step=resumed)
        with self.preemption.deferred():
            self.preemption.check()
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        state = trainer.state
        if self.preemption.requested and state.global_step < state.max_steps:
            raise Preempted(f"told to stop; saved a checkpoint at step {state.global_step} of {state.max_steps}")
        return resumed

    def _save(self, trainer: Any, loaded: Loaded, data: DataRecord, model: ModelRecord) -> None:
        """Write the tuned model in the number format of the base model's weights."""
        import torch

        tuned = trainer.accelerator.unwrap_model(trainer.model)
        if self.request.tuning.method is TuningMethod.LORA:
            adapter = self.workspace.folder / "adapter"
            tuned.save_pretrained(adapter)
            del tuned, trainer
            gc.collect()
            plan = LoadPlan("float32", self.request.training.seed)
            fresh = self.recipe.load(self.workspace.path(model.folder), plan, data.labels)
            tuned = tuning.merge_adapter(fresh.model, adapter)
        shutil.rmtree(self.workspace.tuned, ignore_errors=True)
        tuned = tuned.to(device="cpu", dtype=getattr(torch, model.weight_dtype))
        tuned.save_pretrained(self.workspace.tuned)
        loaded.tokenizer.save_pretrained(self.workspace.tuned)


def training_arguments(spec: TrainingSpec, batches: Batches, device: Device, output: Path) -> dict[str, Any]:
    """Return transformers' TrainingArguments for the spec."""
    return {
        "output_dir": str(output),
        "num_train_epochs": spec.epochs or DEFAULT_EPOCHS,
        "max_steps": spec.max_steps or -1,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": spec.lr_scheduler_type.lower(),
        "warmup_steps": spec.warmup_ratio,
        "weight_decay": spec.weight_decay,
        "max_grad_norm": spec.max_grad_norm,
        "per_device_train_batch_size": batches.size,
        "gradient_accumulation_steps": batches.accumulation,
        "gradient_checkpointing": spec.gradient_checkpointing,
        "bf16": device.bfloat16,
        "use_cpu": device.name == "cpu",
        "seed": spec.seed,
        "data_seed": spec.seed,
        "logging_steps": spec.logging_interval_steps,
        "logging_nan_inf_filter": False,
        "include_num_input_tokens_seen": "non_padding",
        "save_strategy": "steps",
        "save_steps": spec.checkpoint_interval_steps,
        "eval_strategy": "no",
        "dataloader_pin_memory": device.name == "cuda",
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "report_to": "none",
    }


def _losses(history: list[dict[str, float]]) -> tuple[tuple[int, float], ...]:
    return tuple((int(entry["step"]), float(entry["loss"])) for entry in history if "loss" in entry)


def _train_metrics(history: list[dict[str, float]]) -> dict[str, float]:
    """Return the last reported loss. Raises NonFiniteLoss if the training ended in NaN between two reports."""
    summary = next((entry for entry in reversed(history) if "train_loss" in entry), {})
    if not math.isfinite(summary.get("train_loss", 0.0)):
        raise NonFiniteLoss(f"the loss became {summary['train_loss']}; lower spec.training.learningRate")
    losses = _losses(history)
    return {"loss": losses[-1][1] if losses else float(summary.get("train_loss", 0.0))}
