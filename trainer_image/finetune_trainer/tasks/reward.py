"""Task Reward: a scalar head that scores the chosen of two answers above the rejected one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.reward import RewardOptions
from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.tasks.chats.prompts import last_words, turns_of, whole
from finetune_trainer.tasks.preference.preference_rows import preference_row
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row, TrainerParts
from finetune_trainer.tasks.rewarded.reward_scoring import all_rewards, load_reward_model, reward_ids
from finetune_trainer.tasks.text.shortening import shortened

SAMPLES = 3
UNTRAINED_HEAD = "The base model has no reward head: its figures are those of a head with random weights."


class Reward(Recipe):
    """Rows are {prompt, chosen, rejected}, with a margin if the data has it."""

    pipeline_tag = "text-classification"
    peft_task_type = "SEQ_CLS"
    usage = (
        'reward = pipeline("text-classification", model=folder)\n'
        "text = prompt + answer + (reward.tokenizer.eos_token or '')\n"
        "# for chats: reward.tokenizer.apply_chat_template(messages, tokenize=False)\n"
        "print(reward(text))"
    )

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self._center = (request.reward or RewardOptions()).center_rewards_coefficient

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: two different answers, both texts or both messages."""
        del labels
        row = preference_row(values, self.columns, self.template, prompt_required=False)
        margin = values.get(self.columns.margin)
        return row if margin is None else {**row, "margin": _number(margin, self.columns.margin)}

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return none; either all rows have a margin or none. Raises BadData."""
        marked = sum("margin" in row for row in rows)
        if marked not in (0, len(rows)):
            raise problems.fail(
                f"{marked} of {len(rows)} rows have a {self.columns.margin!r}; give one to every row (0 where it is not"
                " known) or to none"
            )
        return ()

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load the model with a head of one output; a head that is not in the folder starts random, by the seed."""
        del labels
        return load_reward_model(folder, plan)

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Tokenize both answers after the prompt. A pair that differs beyond `max_length` only is left out."""
        length = usable_length(loaded.model, loaded.tokenizer, max_length).tokens
        encoded = [_encode_row(row, loaded.tokenizer, length) for row in rows]
        return [row for row in encoded if row["chosen_ids"] != row["rejected_ids"]]

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return TRL's RewardTrainer over pairs that are encoded already."""
        from trl import RewardConfig, RewardTrainer

        return RewardTrainer(
            model=parts.loaded.model,
            args=RewardConfig(**parts.arguments, max_length=None, center_rewards_coefficient=self._center),
            train_dataset=parts.rows,
            processing_class=parts.loaded.tokenizer,
            callbacks=parts.callbacks,
        )

    def evaluate(self, loaded: Loaded, rows: Sequence[Row], plan: EvaluationPlan) -> Evaluation:
        """Return the share of pairs in the right order, the mean margin between them, and the rewards' range."""
        import torch

        plan.device.place(loaded.model)
        length = usable_length(loaded.model, loaded.tokenizer, plan.max_length).tokens
        pairs = [_encode_row(row, loaded.tokenizer, length) for row in rows]
        texts = [pair["chosen_ids"] for pair in pairs] + [pair["rejected_ids"] for pair in pairs]
        with plan.device.autocast():
            rewards = all_rewards(loaded, texts, plan.batch_size)
        chosen, rejected = torch.chunk(rewards, 2)
        margins = torch.tensor([pair.get("margin", 0.0) for pair in pairs])
        metrics = {
            "loss": self._loss(chosen, rejected, margins),
            "accuracy": float((chosen > rejected).float().mean()),
            "margin": float((chosen - rejected).mean()),
            "mean_reward": float(rewards.mean()),
            "min_reward": float(rewards.min()),
            "max_reward": float(rewards.max()),
        }
        samples = tuple(map(_sample, rows[:SAMPLES], chosen.tolist(), rejected.tolist())) if plan.samples else ()
        return Evaluation(metrics, samples, note=UNTRAINED_HEAD if loaded.fresh else None)

    def _loss(self, chosen: Any, rejected: Any, margins: Any) -> float:
        from torch.nn.functional import logsigmoid

        loss = float(-logsigmoid(chosen - rejected - margins).mean())
        return loss + (self._center or 0.0) * float(((chosen + rejected) ** 2).mean())


def _encode_row(row: Row, tokenizer: Any, length: int) -> Row:
    prompt = turns_of(row["prompt"], tokenizer)
    both = [reward_ids(whole(prompt, row[answer]), tokenizer) for answer in ("chosen", "rejected")]
    cut = sum(max(0, len(ids) - length) for ids in both)
    chosen, rejected = (shortened(ids, length) for ids in both)
    encoded = {"chosen_ids": chosen, "rejected_ids": rejected, "truncated_tokens": cut}
    return {**encoded, "margin": row["margin"]} if "margin" in row else encoded


def _number(value: Any, column: str) -> float:
    """Return the margin; CSV holds numbers as text."""
    try:
        number = float("nan" if isinstance(value, bool | list | dict) else value)
    except (ValueError, OverflowError):
        number = float("nan")
    if not 0 <= number < float("inf"):
        raise RowError(column, show(value), "a number of at least 0")
    return number


def _sample(row: Row, chosen: float, rejected: float) -> Sample:
    """Show both answers as A and B, and which one the model prefers by which rewards."""
    asked, one, other = (last_words(row[name]).strip() for name in ("prompt", "chosen", "rejected"))
    text = f"{asked}\nA: {one}\nB: {other}"
    return Sample(text, "A", f"{'A' if chosen > rejected else 'B'} (A {chosen:.2f}, B {rejected:.2f})")
