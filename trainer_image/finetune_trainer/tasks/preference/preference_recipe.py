"""What the tasks that learn from judged answers have in common: models, token ids, reference, samples."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from finetune_api.handoff import RunRequest
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.tasks.chats.prompts import last_words, prompt_and_completion_ids, prompt_ids, prompt_like
from finetune_trainer.tasks.language.generation import complete
from finetune_trainer.tasks.language.language_modeling import load_causal
from finetune_trainer.tasks.preference.preference_rows import preference_row
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row, TrainerParts

SAMPLES = 3
REFERENCE = "reference"
"""Name of a reference model that is not the base model, among the models that a job reads."""
REFERENCE_FIELD = "spec.dpo.referenceModel.source"


class PreferenceRecipe(Recipe):
    """Rows have a prompt and, in the columns that `answers` names, answers to it: all texts, or all chats."""

    answers: ClassVar[tuple[str, ...]]
    kept: ClassVar[tuple[str, ...]] = ()
    """Columns that encoded rows have, too."""
    pipeline_tag = "text-generation"
    peft_task_type = "CAUSAL_LM"
    usage = 'generate = pipeline("text-generation", model=folder)\nprint(generate({input}, max_new_tokens={tokens}))'

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self._sample_prompts = request.evaluation.sample_prompts or []
        self._max_new_tokens = request.evaluation.max_new_tokens

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load a causal language model, all of whose weights must be in the folder."""
        del labels
        return load_causal(folder, plan)

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Tokenize prompt and answers, each answer with the end token: {prompt_ids, <answer>_ids, …}.

        What is longer than `max_length` loses its end. Rows teach nothing and are left out if there is no room for an
        answer, or if answers differ beyond `max_length` only. Raises BadSpec and BadData for chats that do not fit the
        model's template.
        """
        length = usable_length(loaded.model, loaded.tokenizer, max_length).tokens
        encoded = (self._encode_row(row, loaded.tokenizer, length) for row in rows)
        return [row for row in encoded if len(row["prompt_ids"]) < length and self._differ(row)]

    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Return what the model finds likelier on the held-out rows, and completions of sample prompts."""
        metrics = self.measure(loaded, self.encode(rows, loaded, plan.max_length), plan)
        return Evaluation(metrics, self._samples(loaded, rows, plan) if plan.samples else ())

    @abstractmethod
    def measure(self, loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> dict[str, float]:
        """Return the figures of the model on encoded rows."""

    def _encode_row(self, row: Row, tokenizer: Any, length: int) -> Row:
        """Return the row in token ids; where answers swallow the prompt's end, all do as the one that takes most."""
        parts = [prompt_and_completion_ids(row["prompt"], row[name], tokenizer) for name in self.answers]
        start = min(len(prompt) for prompt, _ in parts)
        room = max(length - start, 0)
        answers = [prompt[start:] + answer for prompt, answer in parts]
        return {
            "prompt_ids": parts[0][0][:start],
            **{f"{name}_ids": ids[:room] for name, ids in zip(self.answers, answers, strict=True)},
            **{name: row[name] for name in self.kept},
            "truncated_tokens": sum(len(ids[room:]) for ids in answers),
        }

    def _differ(self, row: Row) -> bool:
        return len({tuple(row[f"{name}_ids"]) for name in self.answers}) == len(self.answers)

    def _samples(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> tuple[Sample, ...]:
        """Let the model complete the spec's prompts, or the first ones that are held out."""
        wished = [prompt_like(rows[0]["prompt"], prompt) for prompt in self._sample_prompts]
        shown = [{"prompt": prompt} for prompt in wished] or [row for row in rows if row.get("label", True)][:SAMPLES]
        return tuple(self._sample(loaded, row, plan) for row in shown)

    def _sample(self, loaded: Loaded, row: Row, plan: EvaluationPlan) -> Sample:
        with plan.device.autocast():
            output = complete(loaded, prompt_ids(row["prompt"], loaded.tokenizer), self._max_new_tokens)
        answer = row.get(self.answers[0])
        return Sample(last_words(row["prompt"]), None if answer is None else last_words(answer), output)


class PairRecipe(PreferenceRecipe):
    """Rows are {prompt, chosen, rejected}."""

    answers = ("chosen", "rejected")

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one pair: a prompt and two different answers, as texts or as chats."""
        del labels
        return preference_row(values, self.columns, self.template)


class ReferenceLogps:
    """Log-probabilities by the reference model, which is asked once for the same sequences."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._asked: Any = None
        self._answer: Any = None

    def of(self, loaded: Loaded, sequences: list[Any], plan: EvaluationPlan) -> Any:
        """Return the reference's log-probability of each answer, float64 [sequences], to compare `loaded` with."""
        import torch

        from finetune_trainer.tasks.preference.preference_metrics import answer_logps

        asked = (loaded.model.dtype, sequences)
        if self._asked != asked:
            # Loading seeds the generators; a training that goes on after this must not notice.
            with torch.random.fork_rng():
                reference = load_reference(plan.models, loaded, self._seed, plan.max_length)
            self._asked, self._answer = asked, answer_logps(reference, sequences, plan)
        return self._answer


def load_reference(models: dict[str, Path], like: Loaded, seed: int, max_length: int) -> Loaded:
    """Load the model that a tuned one is held to: the job's reference model, or else its base model.

    Raises BadSpec for a reference with another vocabulary, whose answers could not be compared, and for one that cannot
    read rows as long as the tuned model's.
    """
    plan = LoadPlan(str(like.model.dtype).removeprefix("torch."), seed)
    if REFERENCE not in models:
        return load_causal(models["model"], plan)
    try:
        reference = load_causal(models[REFERENCE], plan)
    except BadSpec as error:
        raise BadSpec(f"the reference model: {error.message}", REFERENCE_FIELD) from error
    longest, readable = (usable_length(one.model, one.tokenizer, max_length) for one in (like, reference))
    if readable.tokens < longest.tokens:
        raise BadSpec(
            f"the reference model reads at most {readable}, and rows may have {longest}; lower spec.training.maxLength"
            " or name a model that reads longer rows",
            REFERENCE_FIELD,
        )
    if reference.tokenizer.get_vocab() != like.tokenizer.get_vocab():
        raise BadSpec(
            "the reference model's vocabulary is not the tuned model's; name a model with the same tokenizer",
            REFERENCE_FIELD,
        )
    return reference


def second_model(parts: TrainerParts, request: RunRequest) -> Any:
    """Return the reference model to train against, or None if the model without its adapters is just that."""
    adapter, training = request.tuning.adapter, request.training
    if REFERENCE not in parts.models and adapter is not None and not adapter.changes_base:
        return None
    return load_reference(parts.models, parts.loaded, training.seed, training.max_length).model
