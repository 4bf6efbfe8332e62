"""Causal language models: how they are loaded, and their mean loss per token."""

import math
from pathlib import Path

from finetune_trainer.errors import BadData, BadSpec
from finetune_trainer.models.generation_settings import begin_clean
from finetune_trainer.models.loading import FIELD as MODEL_FIELD
from finetune_trainer.models.loading import Loaded, LoadPlan, load_model, load_tokenizer
from finetune_trainer.tasks.chats.turn_end import turn_end
from finetune_trainer.tasks.language.token_losses import IGNORED, logit_batches, token_losses
from finetune_trainer.tasks.recipe import EvaluationPlan, Row
from finetune_trainer.tasks.text.prompt_tokens import open_ended

CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def load_causal(folder: Path, plan: LoadPlan, chat_template: str | None = None) -> Loaded:
    """Load a causal language model, all of whose weights must be in the folder; `chat_template` replaces its own.

    It stops at every token that ends a text or, by its chat template, a turn. Raises BadSpec for any other model.
    """
    from transformers import AutoModelForCausalLM

    tokenizer = open_ended(load_tokenizer(folder, padding_side=None))
    tokenizer.chat_template = chat_template or tokenizer.chat_template
    model, fresh = load_model(AutoModelForCausalLM, folder, plan, tokenizer)
    architecture = (model.config.architectures or [type(model).__name__])[0]
    if fresh or not architecture.endswith(CAUSAL):
        raise BadSpec(f"the model is a {architecture}; the task needs a causal language model", MODEL_FIELD)
    model.config.pad_token_id = tokenizer.pad_token_id
    end, doubt = turn_end(tokenizer)
    notes = begin_clean(model, tokenizer, [end])
    return Loaded(model, tokenizer, notes=notes, chat_notes=(doubt,) if doubt else ())


def token_metrics(loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> dict[str, float]:
    """Return the mean loss over the tokens that count (in nats), its exponential, and how many these are.

    Rows are {input_ids, labels}; a label of -100 does not count.
    """
    loss, tokens = mean_loss(loaded, encoded, plan)
    return {"loss": loss, "perplexity": math.exp(min(loss, 80.0)), "tokens": float(tokens)}


def mean_loss(loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> tuple[float, int]:
    """Return the mean cross-entropy over the tokens that count, in nats, and their number. Raises BadData for none."""
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    model = plan.device.place(loaded.model)
    collate = DataCollatorForLanguageModeling(pad_token_id=loaded.tokenizer.pad_token_id)
    total, tokens = 0.0, 0
    with torch.no_grad(), plan.device.autocast():
        for indices in logit_batches(encoded, model, plan):
            batch = {name: value.to(plan.device.name) for name, value in collate([encoded[i] for i in indices]).items()}
            labels = batch.pop("labels")[:, 1:]
            total += float(token_losses(model(**batch, use_cache=False).logits[:, :-1], labels).sum())
            tokens += int((labels != IGNORED).sum())
    if not tokens:
        words = "no held-out row has a token that counts; raise spec.training.maxLength, or give other rows"
        raise BadData(words, "spec.dataset.evaluation")
    return total / tokens, tokens
