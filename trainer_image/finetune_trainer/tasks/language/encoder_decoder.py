"""Encoder-decoder models: how they are loaded, batched and judged token by token, and how they write."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune_trainer.errors import BadSpec
from finetune_trainer.models.generation_settings import begin_clean
from finetune_trainer.models.loading import FIELD as MODEL_FIELD
from finetune_trainer.models.loading import Loaded, LoadPlan, load_model, load_tokenizer
from finetune_trainer.tasks.language.token_losses import IGNORED, token_losses
from finetune_trainer.tasks.recipe import EvaluationPlan, Row
from finetune_trainer.tasks.text.batching import by_length


def load_encoder_decoder(folder: Path, plan: LoadPlan) -> Loaded:
    """Load an encoder-decoder that writes text, all of whose weights must be in the folder.

    Raises BadSpec for any other model, and for one that does not say what its decoder begins with.
    """
    from transformers import AutoModelForSeq2SeqLM

    tokenizer = load_tokenizer(folder)
    model, fresh = load_model(AutoModelForSeq2SeqLM, folder, plan, tokenizer)
    architecture = (model.config.architectures or [type(model).__name__])[0]
    if fresh or not model.config.is_encoder_decoder:
        raise BadSpec(
            f"the model is a {architecture}; the task needs an encoder-decoder that writes text, such as T5 or BART",
            MODEL_FIELD,
        )
    if _start(model) is None:
        raise BadSpec("the model's config.json has no decoder_start_token_id; set it and upload it", MODEL_FIELD)
    return Loaded(model, tokenizer, notes=begin_clean(model, tokenizer))


class SourceTargetCollator:
    """Pads rows of {input_ids, labels} and adds `decoder_input_ids`: the labels, one place to the right."""

    def __init__(self, loaded: Loaded) -> None:
        from transformers import DataCollatorForSeq2Seq

        self._model = loaded.model
        self._pad_token_id = loaded.tokenizer.pad_token_id
        self._collate = DataCollatorForSeq2Seq(loaded.tokenizer, model=loaded.model, label_pad_token_id=IGNORED)

    def __call__(self, rows: list[Row]) -> Any:
        """Return the batch: tensors of [rows, tokens]."""
        batch = self._collate([{name: row[name] for name in ("input_ids", "attention_mask", "labels")} for row in rows])
        if "decoder_input_ids" not in batch:
            batch["decoder_input_ids"] = self._shifted(batch["labels"])
        return batch

    def _shifted(self, labels: Any) -> Any:
        shifted = labels.new_full(labels.shape, _start(self._model))
        shifted[:, 1:] = labels[:, :-1]
        return shifted.masked_fill(shifted == IGNORED, self._pad_token_id)


def mean_token_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Return the mean loss over all counted tokens of an optimizer step.

    The models' own loss is a mean over each forward pass, which Trainer then adds up instead of averaging.
    """
    from torch.nn.functional import cross_entropy

    counted = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    logits = outputs.logits.flatten(0, 1).float()
    return cross_entropy(logits, labels.flatten(), ignore_index=IGNORED, reduction="sum") / counted


def teacher_forced_loss(loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> float:
    """Return the mean cross-entropy per token of the targets, in nats, each token given those before it."""
    import torch

    collate = SourceTargetCollator(loaded)
    loss, tokens = 0.0, 0
    with torch.no_grad(), plan.device.autocast():
        for indices in by_length(encoded, plan.batch_size):
            batch = collate([encoded[index] for index in indices]).to(plan.device.name)
            labels = batch.pop("labels")
            loss += float(token_losses(loaded.model(**batch, use_cache=False).logits, labels).sum())
            tokens += int((labels != IGNORED).sum())
    return loss / tokens


def write(loaded: Loaded, encoded: Sequence[Row], plan: EvaluationPlan) -> list[str]:
    """Return what the model writes for each row's `input_ids`, by the search that its generation config names."""
    import torch

    tokenizer, texts = loaded.tokenizer, [""] * len(encoded)
    greedy: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    for indices in by_length(list(encoded), plan.batch_size):
        rows = [{name: encoded[index][name] for name in ("input_ids", "attention_mask")} for index in indices]
        batch = tokenizer.pad(rows, return_tensors="pt").to(plan.device.name)
        with torch.no_grad(), plan.device.autocast():
            outputs = loaded.model.generate(**batch, **greedy)
        for index, text in zip(indices, tokenizer.batch_decode(outputs, skip_special_tokens=True), strict=True):
            texts[index] = text.strip()
    return texts


def _start(model: Any) -> int | None:
    """Return what the decoder begins with."""
    for config in (model.generation_config, model.config):
        start: int | None = getattr(config, "decoder_start_token_id", None)
        if start is not None:
            return start
    return None
