"""Task SFT: supervised fine-tuning of a causal language model on prompts with completions, or on chats."""

from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.sft import SFTOptions
from finetune_trainer.loading import Loaded, LoadPlan, longest_input
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.tasks.chat import chat_ids, checked_messages, last_reply, without_last_reply
from finetune_trainer.tasks.generation import complete
from finetune_trainer.tasks.language_modeling import IGNORED, load_causal, token_metrics
from finetune_trainer.tasks.prompts import prompt_and_completion_ids, prompt_ids
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row, TrainerParts
from finetune_trainer.tasks.text_column import required_text

SAMPLES = 3


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
        del labels
        return load_causal(folder, plan)

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
        from trl import SFTConfig, SFTTrainer

        arguments = SFTConfig(**parts.arguments, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})
        return SFTTrainer(
            model=parts.loaded.model,
            args=arguments,
            train_dataset=parts.rows,
            processing_class=parts.loaded.tokenizer,
            callbacks=parts.callbacks,
        )

    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Return the mean loss over the tokens that count, its exponential, and completions of sample prompts."""
        metrics = token_metrics(loaded, self.encode(rows, loaded, plan.max_length), plan)
        return Evaluation(metrics, self._samples(loaded, rows, plan) if plan.samples else ())

    def _encode_row(self, row: Row, tokenizer: Any, length: int) -> Row:
        if "messages" in row:
            ids = chat_ids(row["messages"], tokenizer)
            return {"input_ids": ids[:length], "labels": ids[:length]}
        prompt, completion = prompt_and_completion_ids(row["prompt"], row["completion"], tokenizer)
        ids = prompt + completion
        masked = len(prompt) if self._completion_only else 0
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
            ids = prompt_ids(asked, loaded.tokenizer)
            return Sample(asked[-1]["content"], last_reply(row["messages"]), self._complete(loaded, ids, plan))
        ids = prompt_ids(row["prompt"], loaded.tokenizer)
        return Sample(row["prompt"], row.get("completion"), self._complete(loaded, ids, plan))

    def _complete(self, loaded: Loaded, ids: list[int], plan: EvaluationPlan) -> str:
        with plan.device.autocast():
            return complete(loaded, ids, self._max_new_tokens)
