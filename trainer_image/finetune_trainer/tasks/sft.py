"""Task SFT: supervised fine-tuning of a causal language model on prompts with completions, or on chats."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

from finetune_api.handoff import RunRequest
from finetune_api.tasks.sft import SFTOptions
from finetune_trainer.data.chats import SHAPE
from finetune_trainer.data.columns import NamedRow
from finetune_trainer.data.problems import Problems
from finetune_trainer.data.structured import parsed
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.records import Labels, Sample
from finetune_trainer.tasks.chats.assistant_turns import FIELD as ASSISTANT_ONLY_FIELD
from finetune_trainer.tasks.chats.assistant_turns import assistant_tokens
from finetune_trainer.tasks.chats.chat import chat_ids, checked_messages, checked_turns, last_reply, without_last_reply
from finetune_trainer.tasks.chats.prompt_column import prompt_of, prompt_turns
from finetune_trainer.tasks.chats.prompts import last_words, prompt_and_completion_ids, prompt_ids, prompt_like
from finetune_trainer.tasks.chats.tools import checked_tools, with_own_arguments
from finetune_trainer.tasks.chats.turn_weights import FLAGS, taught_turns
from finetune_trainer.tasks.language.language_modeling import load_causal
from finetune_trainer.tasks.language.language_recipe import SAMPLES, LanguageRecipe, cut_off, teaches
from finetune_trainer.tasks.language.token_losses import IGNORED
from finetune_trainer.tasks.preference.preference_rows import check_answer
from finetune_trainer.tasks.recipe import EvaluationPlan, Row
from finetune_trainer.tasks.text.text_column import required_text


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
            return self._chat(values)
        if self._options.assistant_only_loss:
            words = f"is for chats, which stand in a column {columns.messages!r} and need no spec.dataset.template"
            raise BadSpec(f"{ASSISTANT_ONLY_FIELD} {words}; remove it for prompts", ASSISTANT_ONLY_FIELD)
        if isinstance(values.get(columns.completion), list):
            prompt = prompt_turns(values, columns, self.template)
            answer = checked_turns(values[columns.completion], columns.completion)
            check_answer(prompt, answer, columns.completion)
            return {"prompt": prompt, "completion": answer, **self._tools(values)}
        asked = prompt_of(values, columns, self.template)
        completion = required_text(values, columns.completion, "completion")
        if isinstance(asked, str) and self.template is None and _has_other_name(values, columns.completion):
            asked = values.as_instruction(columns.prompt)
        return {"prompt": asked, "completion": completion, **(self._tools(values) if isinstance(asked, list) else {})}

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return none; warn if prompts and completions run into each other when they are joined."""
        glued = sum(_is_glued(row) for row in rows)
        if 2 * glued > len(rows):
            problems.warn(
                f"prompt and completion are joined as they are, which leaves no blank between them in {glued} of"
                f" {len(rows)} rows; begin completions with one, or build prompts by spec.dataset.template"
            )
        return ()

    def _chat(self, values: dict[str, Any]) -> Row:
        column = self.columns.messages
        chat = parsed(values[column], column, SHAPE)
        messages, tools = checked_messages(chat, column), self._tools(values)
        taught = taught_turns(chat, column)
        if isinstance(values, NamedRow):
            for key in FLAGS:
                values.mark_key(column, key)
        messages = with_own_arguments(messages, tools["tools"]) if tools else messages
        return {"messages": messages, **tools, **({"taught": taught} if taught else {})}

    def _tools(self, values: dict[str, Any]) -> Row:
        tools = checked_tools(values.get(self.columns.tools), self.columns.tools)
        return {"tools": tools} if tools else {}

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
            prompt, completion = prompt_and_completion_ids(
                row["prompt"], row["completion"], tokenizer, row.get("tools")
            )
            hidden = [IGNORED] * len(prompt) if self._options.completion_only_loss else prompt
            return prompt + completion, hidden + completion
        if not self._options.assistant_only_loss and "taught" not in row:
            ids = chat_ids(row["messages"], tokenizer, row.get("tools"))
            return ids, ids
        ids, said = assistant_tokens(row["messages"], tokenizer, row.get("tools"), row.get("taught"))
        return ids, [token if counts else IGNORED for token, counts in zip(ids, said, strict=True)]

    def _wished_prompts(self, rows: list[Row]) -> list[Row]:
        """Return the spec's prompts in the form that the data has."""
        if "messages" in rows[0]:
            return [{"messages": [{"role": "user", "content": prompt}]} for prompt in self.sample_prompts]
        return [{"prompt": prompt_like(rows[0]["prompt"], prompt)} for prompt in self.sample_prompts]

    def _answer(self, loaded: Loaded, row: Row, plan: EvaluationPlan) -> Sample:
        if "messages" in row:
            asked = without_last_reply(row["messages"])
            ids = prompt_ids(asked, loaded.tokenizer, row.get("tools"))
            return self.sample(loaded, ids, plan, (asked[-1].get("content", ""), last_reply(row["messages"])))
        ids = prompt_ids(row["prompt"], loaded.tokenizer, row.get("tools"))
        expected = last_words(row["completion"]) if "completion" in row else None
        return self.sample(loaded, ids, plan, (last_words(row["prompt"]), expected))


def _has_other_name(values: dict[str, Any], column: str) -> TypeGuard[NamedRow]:
    """Tell whether the file calls a column otherwise; it is not written for a prompt that is joined as it is then."""
    return isinstance(values, NamedRow) and values.name_of(column) != column


def _is_glued(row: Row) -> bool:
    """Tell whether no blank parts a text that is the prompt from the completion."""
    prompt, completion = row.get("prompt"), row.get("completion")
    if not isinstance(prompt, str) or not isinstance(completion, str):
        return False
    return not (prompt[-1:].isspace() or completion[:1].isspace())
