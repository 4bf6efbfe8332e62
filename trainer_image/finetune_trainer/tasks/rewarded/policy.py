"""What all tasks share that learn from rewards for their own completions: rows, models, and how they are judged."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from finetune_api.handoff import RunRequest
from finetune_api.tasks.rewarded import RewardedOptions
from finetune_trainer.data.problems import MissingColumnError, RowError, show
from finetune_trainer.data.template import listed
from finetune_trainer.errors import BadData, BadSpec
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.runtime.device import Device
from finetune_trainer.tasks.chats.chat import checked_turns, without_last_reply
from finetune_trainer.tasks.chats.prompt_column import prompt_of
from finetune_trainer.tasks.chats.prompts import Prompt, last_words, prompt_ids, prompt_like, turns_of
from finetune_trainer.tasks.language.generation import complete
from finetune_trainer.tasks.language.language_modeling import load_causal
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row
from finetune_trainer.tasks.rewarded.completions import Completed, Ids, Sampling, complete_all
from finetune_trainer.tasks.rewarded.reference import Reference
from finetune_trainer.tasks.rewarded.rewards import Rewards, Scores, answer_columns, expected_column
from finetune_trainer.tasks.text.batching import by_length

SAMPLES = 3


class PolicyRecipe(Recipe):
    """Rows are {prompt} or {messages}, with the columns that reward functions compare with."""

    pipeline_tag = "text-generation"
    peft_task_type = "CAUSAL_LM"
    usage = 'generate = pipeline("text-generation", model=folder)\nprint(generate({input}, max_new_tokens={tokens}))'

    def __init__(self, request: RunRequest, completion_length: int) -> None:
        super().__init__(request)
        self.rewarded = cast(RewardedOptions, request.options)
        self.completion_length = completion_length
        self._answers = answer_columns(self.rewarded)
        self._rewards: Rewards | None = None

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: a text or a chat to reply to, and an answer in each column that a reward function names."""
        del labels
        row: Row = {"prompt": self._prompt(values)}
        if self._answers:
            row["answers"] = {column: _answer(values, column) for column in self._answers}
        return row

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load a causal language model, all of whose weights must be in the folder."""
        del labels
        return load_causal(folder, plan)

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Add the prompts' token ids; rows whose prompts leave no room for a whole completion are left out."""
        room = self._room(loaded, max_length)
        asked = [{**row, "prompt": turns_of(row["prompt"], loaded.tokenizer)} for row in rows]
        encoded = [{**row, "prompt_ids": prompt_ids(row["prompt"], loaded.tokenizer)} for row in asked]
        return [row for row in encoded if len(row["prompt_ids"]) <= room]

    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Complete the prompts greedily; return mean rewards, completion length and divergence from the base model.

        `kl` is the Kullback-Leibler divergence of the next token's distribution from the base model's, in nats, at
        each token of the completions, on average. Raises BadData if no prompt leaves room for a completion.
        """
        plan.device.place(loaded.model)
        encoded = self.encode(rows, loaded, plan.max_length)
        if not encoded:
            raise BadData(
                f"no held-out prompt leaves room for {self.completion_length} tokens within {plan.max_length};"
                " raise spec.training.maxLength",
                "spec.training.maxLength",
            )
        responses = self._respond(loaded, encoded, plan)
        texts = [loaded.tokenizer.decode(response, skip_special_tokens=True) for response in responses]
        rewards = self.rewards(plan.models, plan.device)
        scores = rewards.score([row["prompt"] for row in encoded], texts, [row.get("answers", {}) for row in encoded])
        metrics = {
            **scores.means(),
            "completion_length": sum(map(len, responses)) / len(responses),
            "kl": self._divergence(loaded, encoded, responses, plan),
        }
        wished = self._wished_samples(loaded, encoded, plan) if plan.samples else ()
        expected = expected_column(self.rewarded)
        return Evaluation(metrics, wished or _samples(encoded, texts, scores, expected))

    def rewards(self, models: dict[str, Path], device: Device) -> Rewards:
        """Return the rewards that the spec names, loaded once for training and evaluations. Raises BadSpec."""
        import torch

        if self._rewards is None:
            # Loading seeds the generators; a training that goes on after this must not notice.
            with torch.random.fork_rng():
                self._rewards = Rewards.of(self.rewarded, f"spec.{self.request.task.block}", models, device)
        return self._rewards

    def reference(self, model: Any, models: dict[str, Path], device: Device) -> Reference:
        """Return the base model to compare `model` with."""
        dtype = "bfloat16" if device.name == "cuda" and device.bfloat16 else "float32"
        plan = LoadPlan(dtype, self.request.training.seed)
        return Reference(model, lambda: load_causal(models["model"], plan).model.to(device.name))

    def _prompt(self, values: dict[str, Any]) -> Prompt:
        columns = self.columns
        if self.template or columns.messages not in values:
            return prompt_of(values, columns, self.template)
        turns = without_last_reply(checked_turns(values[columns.messages], columns.messages))
        if not turns or turns[-1]["role"] == "assistant":
            raise RowError(columns.messages, show(values[columns.messages]), "a chat with a message to reply to")
        return turns

    def _room(self, loaded: Loaded, max_length: int) -> int:
        """Return how many tokens a prompt may have. Raises BadSpec if it is none."""
        length = usable_length(loaded.model, loaded.tokenizer, max_length)
        room = length.tokens - self.completion_length
        if room < 1:
            raise BadSpec(
                f"completions of {self.completion_length} tokens leave no room for a prompt: a row has at most"
                f" {length}",
                f"spec.{self.request.task.block}",
            )
        return room

    def _respond(self, loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> list[Ids]:
        responses: list[Ids] = [[]] * len(encoded)
        with plan.device.autocast():
            for indices in _batches(encoded, plan):
                prompts = [encoded[index]["prompt_ids"] for index in indices]
                answers = complete_all(loaded.model, loaded.tokenizer, prompts, Sampling(self.completion_length))
                for index, answer in zip(indices, answers, strict=True):
                    responses[index] = answer
        return responses

    def _wished_samples(self, loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> tuple[Sample, ...]:
        """Complete the prompts that the spec names; they have no answers, and so no rewards."""
        wished, samples = self.request.evaluation.sample_prompts or [], []
        for prompt in wished:
            turns = prompt_like(encoded[0]["prompt"], prompt)
            with plan.device.autocast():
                output = complete(loaded, prompt_ids(turns, loaded.tokenizer), self.completion_length)
            samples.append(Sample(prompt, None, output))
        return tuple(samples)

    def _divergence(self, loaded: Loaded, encoded: list[Row], responses: list[Ids], plan: EvaluationPlan) -> float:
        import torch

        base = self.reference(loaded.model, plan.models, plan.device)
        total, tokens = 0.0, 0
        with torch.no_grad(), plan.device.autocast():
            for indices in _batches(encoded, plan):
                batch = Completed.of(
                    [encoded[index]["prompt_ids"] for index in indices],
                    [responses[index] for index in indices],
                    loaded.tokenizer.pad_token_id,
                    plan.device.name,
                )
                tuned = batch.logits(loaded.model).log_softmax(-1)
                with base.active() as model:
                    other = batch.logits(model).log_softmax(-1)
                total += float(((tuned.exp() * (tuned - other)).sum(-1) * batch.mask).sum())
                tokens += int(batch.mask.sum())
        return total / tokens


def refuse_too_few(prompts: int, needed: int) -> None:
    """Raise BadData if there are fewer prompts than are completed at once."""
    if prompts < needed:
        raise BadData(
            f"{prompts} training prompts are too few: {needed} are completed at once; lower spec.training.batchSize"
            " or gradientAccumulationSteps, or add prompts",
            "spec.dataset.train.source",
        )


def _batches(encoded: list[Row], plan: EvaluationPlan) -> Iterator[list[int]]:
    return by_length([{"input_ids": row["prompt_ids"]} for row in encoded], plan.batch_size)


def _answer(values: dict[str, Any], column: str) -> str:
    if column not in values:
        hint = f"one that a reward function names; there are {listed(values)}"
        raise MissingColumnError(column, "no such column", hint)
    value = values[column]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(column, show(value), "text or a number")
    return str(value)


def _samples(rows: list[Row], texts: list[str], scores: Scores, expected: str | None) -> tuple[Sample, ...]:
    """Show the first completions, each with its reward."""
    shown = list(zip(rows, texts, scores.total, strict=True))[:SAMPLES]
    return tuple(
        Sample(last_words(row["prompt"]), row["answers"][expected] if expected else None, _rewarded(text, reward))
        for row, text, reward in shown
    )


def _rewarded(text: str, reward: float) -> str:
    return f"{text.strip()}\n(reward {reward:.4g})"
