"""Task CausalLM: a causal language model goes on learning from text, all of it."""

from typing import Any

from finetune_api.tasks.causal_lm import CausalLMOptions, Overflow
from finetune_trainer.data.problems import RowError, show
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded
from finetune_trainer.records import Labels, Sample
from finetune_trainer.tasks.chats.prompts import prompt_ids, text_ids
from finetune_trainer.tasks.language.language_recipe import SAMPLES, LanguageRecipe, cut_off, teaches
from finetune_trainer.tasks.recipe import EvaluationPlan, Row
from finetune_trainer.tasks.text.text_column import required_text


class CausalLM(LanguageRecipe):
    """Rows are {text}."""

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: a text that is not blank."""
        del labels
        if self.template is None:
            return {"text": required_text(values, self.columns.text, "text")}
        text = self.template.fill(values)
        if not text.strip():
            raise RowError(None, show(text), "a text; remove the row if there is none")
        return {"text": text}

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Tokenize; every token counts. A text that is too long becomes several rows, or is cut off."""
        length = usable_length(loaded.model, loaded.tokenizer, max_length).tokens
        split = (self.request.causal_lm or CausalLMOptions()).overflow is Overflow.SPLIT
        texts = [text_ids(row["text"], loaded.tokenizer) for row in rows]
        pieces = [piece for ids in texts for piece in (_pieces(ids, length) if split else [ids])]
        return [row for row in (cut_off(ids, ids, length) for ids in pieces) if teaches(row)]

    def samples(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> tuple[Sample, ...]:
        """Return how the model goes on after the sample prompts, or after the first half of held-out texts."""
        texts: list[tuple[str, str | None]] = [(prompt, None) for prompt in self.sample_prompts]
        chosen = texts or [_halves(row["text"]) for row in rows[:SAMPLES]]
        return tuple(self.sample(loaded, prompt_ids(text[0], loaded.tokenizer), plan, text) for text in chosen)


def _pieces(ids: list[int], length: int) -> list[list[int]]:
    """Return pieces of at most `length` tokens; each begins with the last of the one before, so that all are learnt."""
    return [ids[start : start + length] for start in range(0, max(len(ids) - 1, 1), length - 1)]


def _halves(text: str) -> tuple[str, str | None]:
    """Part a text at the first blank behind its middle."""
    middle = next((index for index in range(len(text) // 2, len(text)) if text[index].isspace()), len(text))
    return text[:middle], text[middle:].strip() or None
