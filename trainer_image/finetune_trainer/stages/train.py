"""Stage Train: learn, with checkpoints, and leave the tuned model merged and in safetensors."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_trainer.data.account import truncation_warning
from finetune_trainer.data.rows import load_rows
from finetune_trainer.errors import NonFiniteLoss, Preempted
from finetune_trainer.log import say
from finetune_trainer.models import adapters, tuning
from finetune_trainer.models.answers import answers, questions
from finetune_trainer.models.limits import published_length
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.models.merging import Merge
from finetune_trainer.models.quantization import left_whole
from finetune_trainer.models.text_part import copy_processor
from finetune_trainer.records import DataRecord, MergeRecord, ModelRecord, TokenCounts, TrainRecord
from finetune_trainer.runtime import checkpoints
from finetune_trainer.runtime.batches import Batches
from finetune_trainer.runtime.device import Device
from finetune_trainer.runtime.preemption import Preemption
from finetune_trainer.runtime.progress import ProgressBoard, own_figures
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.stages.arguments import training_arguments
from finetune_trainer.stages.encoding import Encoded, encode_rows
from finetune_trainer.stages.refusals import HeldRows
from finetune_trainer.tasks import Recipe
from finetune_trainer.tasks.chats.chat import holds_chat
from finetune_trainer.tasks.chats.instructions import asking_notes
from finetune_trainer.tasks.recipe import EvaluationPlan, TrainerParts
from finetune_trainer.tracing import Tracing
from finetune_trainer.tracking import Tracking


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
    tracking: Tracking
    tracing: Tracing

    def run(self, data: DataRecord, model: ModelRecord) -> TrainRecord:
        """Train, resuming from the newest complete checkpoint if there is one.

        Raises Preempted once a checkpoint is saved, NonFiniteLoss, MergeMismatch, BadSpec, BadData.
        """
        plan = tuning.load_plan(self.request.tuning, self.request.training, self.device)
        loaded = self.recipe.load(self.workspace.path(model.folder), plan, data.labels)
        for words in left_whole(loaded.model, self.request.tuning):
            self.board.warn(words)
        learner = self._prepare(loaded)
        trainable, total = tuning.count_parameters(learner)
        self.board.update(trainable_parameters=trainable)
        encoded = self._encode(loaded, data)
        trainer = self._build_trainer(Loaded(learner, loaded.tokenizer), loaded, encoded.rows, data, model)
        say("train", f"{trainable:,} of {total:,} parameters learn")
        resumed = self._fit(trainer)
        return TrainRecord(
            folder=self.workspace.relative(self.workspace.tuned),
            steps=trainer.state.global_step,
            epochs=round(float(trainer.state.epoch or 0), 4),
            metrics=_train_metrics(trainer.state.log_history),
            history=_history(trainer.state.log_history),
            trainable_parameters=trainable,
            total_parameters=total,
            resumed_from_step=resumed,
            loss_history=_losses(trainer.state.log_history),
            tokens=encoded.counts,
            runtime_seconds=float(_summary(trainer.state.log_history).get("train_runtime", 0.0)),
            merge=self._save(trainer, loaded, plan, data, model),
        )

    def _prepare(self, loaded: Loaded) -> Any:
        learner = tuning.prepare(loaded, self.request.tuning, self.request.training, self.recipe.peft_task_type)
        adapter = self.request.tuning.adapter
        if adapter and adapter.changes_base:
            adapters.save_start(learner, self.workspace.adapter)
        return learner

    def _encode(self, loaded: Loaded, data: DataRecord) -> Encoded:
        rows, length = load_rows(self.workspace.path(data.train_file)), self.request.training.max_length
        with HeldRows(rows, self.request.dataset, "train").named(self.recipe, loaded, length):
            encoded = encode_rows(self.recipe, rows, loaded, length, self.workspace.encoded)
        self._check_held_out(loaded, data)
        notes = (*asking_notes(rows[0], loaded.tokenizer), *(loaded.chat_notes if holds_chat(rows[0]) else ()))
        for words in (*loaded.notes, *notes):
            self.board.warn(words)
        warn_of_truncation(self.board, self.request, encoded.counts)
        return encoded

    def _check_held_out(self, loaded: Loaded, data: DataRecord) -> None:
        """Raise BadData before anything is learnt if the model refuses a row that it has not been judged by yet."""
        unseen = {
            "test": data.test_file,
            "evaluation": None if self.request.evaluation.baseline else data.evaluation_file,
        }
        for part, path in unseen.items():
            if path:
                rows = HeldRows(load_rows(self.workspace.path(path)), self.request.dataset, part)
                rows.check(self.recipe, loaded, self.request.training.max_length)

    def _build_trainer(self, learner: Loaded, loaded: Loaded, rows: Any, data: DataRecord, model: ModelRecord) -> Any:
        from transformers import PrinterCallback

        from finetune_trainer.stages import callbacks

        spec = self.request.training
        keeper = callbacks.KeepCheckpoints(self.workspace.checkpoints, self.preemption)
        reporter = callbacks.ReportProgress(self.board)
        curves = callbacks.DrawCurves(self.workspace.curves)
        hooks = [callbacks.CheckSchedule(spec, self.board), *self.tracking.callbacks(), reporter, curves, keeper]
        if spec.evaluation_interval_steps:
            evaluate = self._evaluator(loaded, data, model)
            meanwhile = callbacks.EvaluateMeanwhile(
                spec.evaluation_interval_steps,
                evaluate,
                self.board,
                self.preemption,
                curves=curves,
                tracking=self.tracking,
            )
            hooks.append(meanwhile)
        parts = TrainerParts(
            loaded=learner,
            rows=rows,
            arguments=training_arguments(spec, self.batches, self.device, self.workspace.checkpoints),
            callbacks=hooks,
            device=self.device,
            models=self.workspace.model_folders(model),
        )
        trainer = self.recipe.build_trainer(parts)
        keeper.watch(trainer)
        reporter.count(len(trainer.train_dataset if spec.packing else rows))
        trainer.remove_callback(PrinterCallback)
        tuning.hold_in_float32(trainer.model)
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
            if not state.global_step:
                raise Preempted("told to stop before the first step was done; the training starts over")
            raise Preempted(f"told to stop; saved a checkpoint at step {state.global_step} of {state.max_steps}")
        return resumed

    def _save(
        self, trainer: Any, loaded: Loaded, plan: LoadPlan, data: DataRecord, model: ModelRecord
    ) -> MergeRecord | None:
        """Write the tuned model in the number format of the base model's weights. Raises MergeMismatch."""
        import torch

        tuned = trainer.accelerator.unwrap_model(trainer.model)
        folder = self.workspace.tuned
        shutil.rmtree(folder, ignore_errors=True)
        learnt = self.request.training.max_length
        loaded.tokenizer.model_max_length = published_length(loaded.model, loaded.tokenizer, learnt)
        loaded.tokenizer.save_pretrained(folder)
        copy_processor(loaded.model, self.workspace.path(model.folder), folder)
        if self.request.tuning.adapter is not None:
            with self.tracing.span("Merge"):
                return self._merge(tuned, loaded, plan, data, model)
        tuned.to(device="cpu", dtype=getattr(torch, model.weight_dtype)).save_pretrained(folder)
        return None

    def _merge(self, tuned: Any, loaded: Loaded, plan: LoadPlan, data: DataRecord, model: ModelRecord) -> MergeRecord:
        """Merge the adapters into the base model in full precision; what learnt is dropped before, to free memory."""
        rows = load_rows(self.workspace.path(data.evaluation_file))
        asked = questions(self.recipe.encode, rows, loaded, self.request.training.max_length)
        learnt = answers(tuned, asked, self.device)
        adapters.save(tuned, self.workspace.adapter)
        tuning.release(tuned)
        base = self.workspace.path(model.folder)

        def load(folder: Path, plan: LoadPlan) -> Any:
            return self.recipe.load(folder, plan, data.labels).model

        merge = Merge(self.request, load, self.device, base, plan, model.weight_dtype)
        return merge.run(self.workspace.adapter, asked, learnt, self.workspace.tuned)


def warn_of_truncation(board: ProgressBoard, request: RunRequest, tokens: TokenCounts) -> None:
    """Tell, in log and status, if more of the training rows was cut off than the spec allows."""
    words = truncation_warning(tokens, request.dataset.truncation_warning_share)
    if words:
        board.warn(words)


def _losses(history: list[dict[str, float]]) -> tuple[tuple[int, float], ...]:
    return tuple((int(entry["step"]), float(entry["loss"])) for entry in history if "loss" in entry)


def _train_metrics(history: list[dict[str, float]]) -> dict[str, float]:
    """Return the last reported loss. Raises NonFiniteLoss if the training ended in NaN between two reports."""
    summary = _summary(history)
    if not math.isfinite(summary.get("train_loss", 0.0)):
        raise NonFiniteLoss(f"the loss became {summary['train_loss']}; lower spec.training.learningRate")
    losses = _losses(history)
    last = next((entry for entry in reversed(history) if "loss" in entry), {})
    return {"loss": losses[-1][1] if losses else float(summary.get("train_loss", 0.0)), **own_figures(last)}


def _history(history: list[dict[str, float]]) -> tuple[dict[str, float], ...]:
    """Return what was reported by the way: step, loss, learning rate and the task's own figures."""
    return tuple(
        {"step": entry["step"], "loss": entry["loss"], "learning_rate": entry["learning_rate"], **own_figures(entry)}
        for entry in history
        if "loss" in entry
    )


def _summary(history: list[dict[str, float]]) -> dict[str, float]:
    """Return what Trainer logged at the end of the loop."""
    return next((entry for entry in reversed(history) if "train_loss" in entry), {})
