"""Task Seq2Seq: an encoder-decoder learns to write one text from another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.seq2seq import Seq2SeqOptions
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.tasks.language.encoder_decoder import (
    SourceTargetCollator,
    load_encoder_decoder,
    mean_token_loss,
    teacher_forced_loss,
    write,
)
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row, TrainerParts
from finetune_trainer.tasks.text.shortening import shortened
from finetune_trainer.tasks.text.text_column import required_text

SAMPLES = 5
FIELD = "spec.seq2Seq"
SEARCH = ("num_beams", "min_new_tokens", "length_penalty", "no_repeat_ngram_size")
"""Options that transformers' GenerationConfig has by the same name."""


class Seq2Seq(Recipe):
    """Rows are {source, target}."""

    pipeline_tag = "text2text-generation"
    peft_task_type = "SEQ_2_SEQ_LM"
    reading_side = "encoder"
    usage = (
        "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer\n\n"
        "tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder)\n"
        'tokens = tokenizer((model.config.prefix or "") + {input}, return_tensors="pt")\n'
        "print(tokenizer.decode(model.generate(**tokens)[0], skip_special_tokens=True))"
    )

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self._options = request.seq2seq or Seq2SeqOptions()
        self._sample_prompts = request.evaluation.sample_prompts or []

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: a text to read, and a text to write."""
        del labels
        columns = self.columns
        source = self.template.fill(values) if self.template else required_text(values, columns.source, "source")
        return {"source": source, "target": required_text(values, columns.target, "target")}

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load an encoder-decoder, with the prefix and the search that the spec names as its own."""
        del labels
        loaded = load_encoder_decoder(folder, plan)
        loaded.model.config.prefix = self._options.prefix
        generation = loaded.model.generation_config
        length = usable_length(loaded.model, loaded.tokenizer, self._options.max_new_tokens, "decoder")
        generation.max_new_tokens = length.tokens
        for name in SEARCH:
            setattr(generation, name, getattr(self._options, name))
        try:
            generation.validate(strict=True)
        except ValueError as error:
            words = " ".join(str(error).split())
            raise BadSpec(f"{FIELD}: these settings contradict each other: {words}", FIELD) from error
        return loaded

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Tokenize; `labels` are the target's ids."""
        encoded = self._encode_sources([row["source"] for row in rows], loaded, max_length)
        length = usable_length(loaded.model, loaded.tokenizer, self._options.max_target_length, "decoder").tokens
        targets = loaded.tokenizer(text_target=[row["target"] for row in rows], verbose=False)["input_ids"]
        for row, ids in zip(encoded, (_ended(target, loaded.tokenizer) for target in targets), strict=True):
            row["labels"] = shortened(ids, length)
            row["truncated_tokens"] += len(ids) - len(row["labels"])
        return encoded

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return a Trainer that pads sources and targets of each batch to their longest."""
        from transformers import Trainer, TrainingArguments

        return Trainer(
            model=parts.loaded.model,
            args=TrainingArguments(**parts.arguments),
            train_dataset=parts.rows,
            data_collator=SourceTargetCollator(parts.loaded),
            compute_loss_func=mean_token_loss,
            callbacks=parts.callbacks,
        )

    def evaluate(self, loaded: Loaded, rows: Sequence[Row], plan: EvaluationPlan) -> Evaluation:
        """Return the loss of the targets, and how close to them the texts come that the model writes by itself."""
        from finetune_trainer.tasks.language.text_metrics import text_metrics

        plan.device.place(loaded.model)
        encoded = self.encode(list(rows), loaded, plan.max_length)
        texts = write(loaded, encoded, plan)
        targets = [row["target"] for row in rows]
        figures = {"loss": teacher_forced_loss(loaded, encoded, plan), **text_metrics(texts, targets)}
        metrics = plan.own_metrics.added(figures, texts, targets)
        return Evaluation(metrics, self._samples(loaded, rows, texts, plan) if plan.samples else ())

    def _encode_sources(self, sources: list[str], loaded: Loaded, max_length: int) -> list[Row]:
        length = usable_length(loaded.model, loaded.tokenizer, max_length, self.reading_side).tokens
        prefixed = [f"{self._options.prefix or ''}{source}" for source in sources]
        rows = []
        for ids in loaded.tokenizer(prefixed, verbose=False)["input_ids"]:
            cut = shortened(ids, length)
            rows.append({"input_ids": cut, "attention_mask": [1] * len(cut), "truncated_tokens": len(ids) - len(cut)})
        return rows

    def _samples(
        self, loaded: Loaded, rows: Sequence[Row], texts: list[str], plan: EvaluationPlan
    ) -> tuple[Sample, ...]:
        """Show what the model writes for the spec's prompts, or for the first rows."""
        if not self._sample_prompts:
            shown = zip(rows[:SAMPLES], texts[:SAMPLES], strict=True)
            return tuple(Sample(row["source"], row["target"], text) for row, text in shown)
        written = write(loaded, self._encode_sources(self._sample_prompts, loaded, plan.max_length), plan)
        return tuple(Sample(prompt, None, text) for prompt, text in zip(self._sample_prompts, written, strict=True))


def _ended(ids: list[int], tokenizer: Any) -> list[int]:
    """Return a target with the end token; it may have one already, and a token for the language behind it."""
    end = tokenizer.eos_token_id
    return ids if end is None or end in ids[-2:] else [*ids, end]
