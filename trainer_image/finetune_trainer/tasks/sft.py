"""Task SFT: supervised fine-tuning of a causal language model on prompts with completions, or on chats."""

import math
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.sft import SFTOptions
from finetune_trainer.data.problems import show
from finetune_trainer.errors import BadData, BadSpec
from finetune_trainer.loading import Loaded, LoadPlan, load_model, load_tokenizer, longest_input
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.tasks.batching import by_length
from finetune_trainer.tasks.chat import checked_messages, last_reply, without_last_reply
from finetune_trainer.tasks.generation import complete
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row, TrainerParts
from finetune_trainer.tasks.text_column import required_text

IGNORED = -100
"""Label of a token that does not count towards the loss; the value that PyTorch's cross-entropy skips."""
SAMPLES = 3
CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
MODEL_FIELD = "spec.model.source"


class SFT(Recipe):
    """Rows are {prompt, completion} or {messages}."""

    pipeline_tag = "text-generation"
    peft_task_type = "CAUSAL_LM"
    usage = 'generate = pipeline("text-generation", model=folder)\nprint(generate({input}, max_new_tokens={tokens}))'

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self._completion_only = (request.sft or SFTOptions()).completion_only_loss
        self._sample_prompts = request.evaluation.sample_prompts
        self._max_new_tokens = request.evaluation.max_new_tokens

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: messages where the file has them, else a prompt with its completion."""
        del labels
        columns = self.columns
        if columns.messages in values and self.template is None:
            return {"messages": checked_messages(values[columns.messages], columns.messages)}
        prompt = self.template.fill(values) if self.template else required_text(values, columns.prompt, "prompt")
        return {"prompt": prompt, "completion": required_text(values, columns.completion, "completion")}

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load a causal language model, all of whose weights must be in the folder."""
        from transformers import AutoModelForCausalLM

        del labels
        tokenizer = load_tokenizer(folder)
        model, fresh = load_model(AutoModelForCausalLM, folder, plan)
        architecture = (model.config.architectures or [type(model).__name__])[0]
        if fresh or not architecture.endswith(CAUSAL):
            raise BadSpec(f"the model is a {architecture}; task SFT needs a causal language model", MODEL_FIELD)
        model.config.pad_token_id = tokenizer.pad_token_id
        return Loaded(model, tokenizer)

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Tokenize; `labels` repeat the ids of the tokens that count and are -100 elsewhere.

        Rows whose counted tokens all lie beyond `max_length` teach nothing and are left out. Raises BadSpec if a chat
        meets a model without a chat template.
        """
        length = longest_input(loaded.model, loaded.tokenizer, max_length)
        encoded = [self._encode_row(row, loaded.tokenizer, length) for row in rows]
        return [row for row in encoded if any(label != IGNORED for label in row["labels"][1:])]

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return TRL's SFTTrainer over rows that are encoded already."""
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        arguments = SFTConfig(**parts.arguments, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})
        return SFTTrainer(
            model=parts.loaded.model,
            args=arguments,
            train_dataset=Dataset.from_list(parts.rows),
            processing_class=parts.loaded.tokenizer,
            callbacks=parts.callbacks,
        )

    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Return the mean loss over the tokens that count, its exponential, and completions of sample prompts."""
        loaded.model.to(plan.device.name).eval()
        loss, tokens = _mean_loss(loaded, self.encode(rows, loaded, plan.max_length), plan)
        metrics = {"loss": loss, "perplexity": math.exp(min(loss, 80.0)), "tokens": float(tokens)}
        return Evaluation(metrics, self._samples(loaded, rows, plan) if plan.samples else ())

    def _encode_row(self, row: Row, tokenizer: Any, length: int) -> Row:
        if "messages" in row:
            ids = _chat_ids(row["messages"], tokenizer)
            return {"input_ids": ids[:length], "labels": ids[:length]}
        prompt = tokenizer(row["prompt"])["input_ids"]
        ids = tokenizer(row["prompt"] + row["completion"])["input_ids"]
        if tokenizer.eos_token_id is not None and ids[-1] != tokenizer.eos_token_id:
            ids = [*ids, tokenizer.eos_token_id]
        masked = _common_prefix(prompt, ids) if self._completion_only else 0
        return {"input_ids": ids[:length], "labels": ([IGNORED] * masked + ids[masked:])[:length]}

    def _samples(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> tuple[Sample, ...]:
        chosen = self._wished_prompts(rows) or rows[:SAMPLES]
        return tuple(self._sample(loaded, row, plan) for row in chosen)

    def _wished_prompts(self, rows: list[Row]) -> list[Row]:
        """Return the spec's prompts in the form that the data has."""
        prompts = self._sample_prompts or []
        if "messages" in rows[0]:
            return [{"messages": [{"role": "user", "content": prompt}]} for prompt in prompts]
        return [{"prompt": prompt} for prompt in prompts]

    def _sample(self, loaded: Loaded, row: Row, plan: EvaluationPlan) -> Sample:
        if "messages" in row:
            asked = without_last_reply(row["messages"])
            ids = _chat_ids(asked, loaded.tokenizer, add_generation_prompt=True)
            return Sample(asked[-1]["content"], last_reply(row["messages"]), self._complete(loaded, ids, plan))
        ids = loaded.tokenizer(row["prompt"])["input_ids"]
        return Sample(row["prompt"], row.get("completion"), self._complete(loaded, ids, plan))

    def _complete(self, loaded: Loaded, ids: list[int], plan: EvaluationPlan) -> str:
        with plan.device.autocast():
            return complete(loaded, ids, self._max_new_tokens)


def _chat_ids(messages: list[dict[str, str]], tokenizer: Any, **options: Any) -> list[int]:
    """Return the chat as the model's template spells it, in token ids."""
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        raise BadSpec(
            "the data holds chats (messages), but the model has no chat template; use a chat model, or columns prompt"
            " and completion",
            MODEL_FIELD,
        )
    try:
        encoded = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)
    except TemplateError as error:
        raise BadData(
            f"the model's chat template refuses {show(messages)}: {error}", "spec.dataset.train.source"
        ) from error
    ids: list[int] = encoded["input_ids"]
    return ids


def _common_prefix(prompt: list[int], whole: list[int]) -> int:
    """Return how many leading tokens are the prompt's; fewer than it has if its end merges with the completion."""
    pairs = zip(prompt, whole, strict=False)
    return next((index for index, (left, right) in enumerate(pairs) if left != right), min(len(prompt), len(whole)))


def _mean_loss(loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> tuple[float, int]:
    """Return the mean cross-entropy over the tokens that count, in nats, and how many these are."""
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    collate = DataCollatorForLanguageModeling(pad_token_id=loaded.tokenizer.pad_token_id)
    total, tokens = 0.0, 0
    with torch.no_grad(), plan.device.autocast():
        for indices in by_length(encoded, plan.batch_size):
            batch = {name: value.to(plan.device.name) for name, value in collate([encoded[i] for i in indices]).items()}
            labels = batch.pop("labels")[:, 1:]
            logits = loaded.model(**batch, use_cache=False).logits[:, :-1]
            counted = labels != IGNORED
            loss = torch.nn.functional.cross_entropy(logits[counted].float(), labels[counted], reduction="sum")
            total, tokens = total + float(loss), tokens + int(counted.sum())
    return total / tokens, tokens
