"""Task SFT: supervised fine-tuning of a causal language model on prompts with completions, or on chats."""

from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.sft import SFTOptions
from finetune_trainer.errors import BadSpec
from finetune_trainer.limits import usable_length
from finetune_trainer.loading import Loaded, LoadPlan
from finetune_trainer.records import Labels, Sample
from finetune_trainer.tasks.assistant_turns import FIELD as ASSISTANT_ONLY_FIELD
from finetune_trainer.tasks.assistant_turns import assistant_tokens
from finetune_trainer.tasks.chat import chat_ids, checked_messages, last_reply, without_last_reply
from finetune_trainer.tasks.language_modeling import load_causal
from finetune_trainer.tasks.language_recipe import SAMPLES, LanguageRecipe, cut_off, teaches
from finetune_trainer.tasks.prompts import prompt_and_completion_ids, prompt_ids
from finetune_trainer.tasks.recipe import EvaluationPlan, Row
from finetune_trainer.tasks.text_column import required_text
from finetune_trainer.tasks.token_losses import IGNORED
from finetune_trainer.tasks.tools import checked_tools, with_own_arguments


class SFT(LanguageRecipe):
    """Rows are {prompt, completion} or {messages}, these with {tools} if the assistant may call some."""

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self._options = request.sft or SFTOptions()

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: messages where the file has them, else a prompt with its completion."""
        del labels
        columns = self.columns
        if columns.messages in values and self.template is None:
            messages = checked_messages(values[columns.messages], columns.messages)
            tools = checked_tools(values.get(columns.tools), columns.tools)
            return (
                {"messages": with_own_arguments(messages, tools), "tools": tools} if tools else {"messages": messages}
            )
        if self._options.assistant_only_loss:
            words = f"is for chats, which stand in a column {columns.messages!r} and need no spec.dataset.template"
            raise BadSpec(f"{ASSISTANT_ONLY_FIELD} {words}; remove it for prompts", ASSISTANT_ONLY_FIELD)
        prompt = self.template.fill(values) if self.template else required_text(values, columns.prompt, "prompt")
        return {"prompt": prompt, "completion": required_text(values, columns.completion, "completion")}

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load a causal language model; the spec's chat template takes the place of its own."""
        del labels
        return load_causal(folder, plan, self._options.chat_template)

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Tokenize; `labels` repeat the ids of the tokens that count and are -100 elsewhere.

        Rows whose counted tokens all lie beyond `max_length` teach nothing and are left out. Raises BadSpec if a chat
        meets a model without a chat template, or without one that tells what is asked for.
        """
        length = usable_length(loaded.model, loaded.tokenizer, max_length).tokens
        encoded = (cut_off(*self._ids_and_labels(row, loaded.tokenizer), length) for row in rows)
        return [row for row in encoded if teaches(row)]

    def samples(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> tuple[Sample, ...]:
        """Return answers to the sample prompts, or else to the first held-out rows."""
        chosen = self._wished_prompts(rows) or rows[:SAMPLES]
        return tuple(self._answer(loaded, row, plan) for row in chosen)

    def _ids_and_labels(self, row: Row, tokenizer: Any) -> tuple[list[int], list[int]]:
        if "messages" not in row:
            prompt, completion = prompt_and_completion_ids(row["prompt"], row["completion"], tokenizer)
            hidden = [IGNORED] * len(prompt) if self._options.completion_only_loss else prompt
            return prompt + completion, hidden + completion
        if not self._options.assistant_only_loss:
            ids = chat_ids(row["messages"], tokenizer, row.get("tools"))
            return ids, ids
        ids, said = assistant_tokens(row["messages"], tokenizer, row.get("tools"))
        return ids, [token if counts else IGNORED for token, counts in zip(ids, said, strict=True)]

    def _wished_prompts(self, rows: list[Row]) -> list[Row]:
        """Return the spec's prompts in the form that the data has."""
        if "messages" in rows[0]:
            return [{"messages": [{"role": "user", "content": prompt}]} for prompt in self.sample_prompts]
        return [{"prompt": prompt} for prompt in self.sample_prompts]

    def _answer(self, loaded: Loaded, row: Row, plan: EvaluationPlan) -> Sample:
        if "messages" in row:
            asked = without_last_reply(row["messages"])
            ids = prompt_ids(asked, loaded.tokenizer, row.get("tools"))
            return self.sample(loaded, ids, plan, (asked[-1].get("content", ""), last_reply(row["messages"])))
        ids = prompt_ids(row["prompt"], loaded.tokenizer)
        return self.sample(loaded, ids, plan, (row["prompt"], row.get("completion")))
