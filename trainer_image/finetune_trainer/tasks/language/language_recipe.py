"""What the tasks have in common in which a causal language model learns token by token."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.tasks.language.generation import complete
from finetune_trainer.tasks.language.language_modeling import load_causal, token_metrics
from finetune_trainer.tasks.language.token_losses import IGNORED
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row, TrainerParts

SAMPLES = 3


class LanguageRecipe(Recipe):
    """Encoded rows are {input_ids, labels}."""

    pipeline_tag = "text-generation"
    peft_task_type = "CAUSAL_LM"
    usage = 'generate = pipeline("text-generation", model=folder)\nprint(generate({input}, max_new_tokens={tokens}))'

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self.sample_prompts = request.evaluation.sample_prompts or []
        self.max_new_tokens = request.evaluation.max_new_tokens

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load a causal language model, all of whose weights must be in the folder."""
        del labels
        return load_causal(folder, plan)

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return TRL's SFTTrainer over rows that are encoded already, packed if the spec says so."""
        from trl import SFTConfig, SFTTrainer

        from finetune_trainer.tasks.language.packing import PackedBatches, check_isolation, pack, packed_batches

        model, tokenizer, rows = parts.loaded.model, parts.loaded.tokenizer, parts.rows
        collator: PackedBatches | None = None
        if self.request.training.packing:
            rows = pack(rows, usable_length(model, tokenizer, self.request.training.max_length).tokens)
            collator = packed_batches(model, tokenizer)
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(**parts.arguments, max_length=None, dataset_kwargs={"skip_prepare_dataset": True}),
            train_dataset=rows,
            data_collator=collator,
            processing_class=tokenizer,
            callbacks=parts.callbacks,
        )
        if collator:
            check_isolation(trainer.model, collator)
        return trainer

    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Return the mean loss over the tokens that count, its exponential, and completions of sample prompts."""
        metrics = token_metrics(loaded, self.encode(rows, loaded, plan.max_length), plan)
        return Evaluation(metrics, self.samples(loaded, rows, plan) if plan.samples else ())

    @abstractmethod
    def samples(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> tuple[Sample, ...]:
        """Return completions of the spec's sample prompts, or else of the first held-out rows."""

    def sample(self, loaded: Loaded, ids: list[int], plan: EvaluationPlan, texts: tuple[str, str | None]) -> Sample:
        """Return what the model says after `ids`, beside the input and the wanted output in `texts`."""
        with plan.device.autocast():
            return Sample(*texts, complete(loaded, ids, self.max_new_tokens))


def teaches(row: Row) -> bool:
    """Tell whether any token of the row counts; the first never does, since nothing comes before it."""
    return any(label != IGNORED for label in row["labels"][1:])


def cut_off(ids: list[int], labels: list[int], length: int) -> Row:
    """Return an encoded row of at most `length` tokens, with a note on how many were too many."""
    row: Row = {"input_ids": ids[:length], "labels": labels[:length]}
    if len(ids) > length:
        row["truncated_tokens"] = len(ids) - length
    return row
