"""Rewards: the one way in which an answer to a prompt becomes token ids, and these become a score.

Training, evaluation, serving and reinforcement learning all score by the functions of this module.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune_trainer.errors import BadSpec
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded, LoadPlan, load_model, load_tokenizer
from finetune_trainer.tasks.chats.chat import chat_ids
from finetune_trainer.tasks.chats.prompts import Turns, text_ids, whole
from finetune_trainer.tasks.text.shortening import shortened

LABEL = "reward"
MODEL_FIELD = "spec.model.source"


def reward_ids(text: Turns, tokenizer: Any) -> list[int]:
    """Return the ids of a whole text, closed by the end token, or of a whole chat as the model's template spells it.

    Raises BadSpec for a chat if the model has no template, BadData if its template refuses the chat.
    """
    return text_ids(text, tokenizer) if isinstance(text, str) else chat_ids(text, tokenizer)


def rewards_of(model: Any, pad_token_id: int, rows: Sequence[list[int]]) -> Any:
    """Return the rewards of one batch of encoded texts, float32 [rows] on the CPU."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=pad_token_id)
    mask = pad_sequence([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True)
    with torch.no_grad():
        logits = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits
    return logits.squeeze(-1).float().cpu()


def all_rewards(loaded: Loaded, rows: Sequence[list[int]], batch_size: int) -> Any:
    """Return the rewards of encoded texts, float32 [rows] on the CPU, in the order of the rows."""
    import torch

    order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
    rewards = torch.empty(len(rows))
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        batch = [rows[index] for index in indices]
        rewards[indices] = rewards_of(loaded.model, loaded.tokenizer.pad_token_id, batch)
    return rewards


def load_reward_model(folder: Path, plan: LoadPlan) -> Loaded:
    """Load a model with one output; a head that is not in the folder starts random, by the seed. Raises BadSpec."""
    from transformers import AutoModelForSequenceClassification

    tokenizer = load_tokenizer(folder)
    labels = {"num_labels": 1, "id2label": {0: LABEL}, "label2id": {LABEL: 0}}
    model, fresh = load_model(
        AutoModelForSequenceClassification, folder, plan, tokenizer, **labels, ignore_mismatched_sizes=True
    )
    model.config.problem_type = "regression"  # so that transformers' pipeline shows rewards as they are
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    return Loaded(model, tokenizer, tuple(fresh))


class RewardModel:
    """A published reward model that scores answers."""

    def __init__(self, loaded: Loaded, batch_size: int = 16) -> None:
        self._loaded = loaded
        self._batch_size = batch_size
        self._length = usable_length(loaded.model, loaded.tokenizer).tokens

    @classmethod
    def load(cls, folder: Path, device: str, dtype: str = "float32", field: str = MODEL_FIELD) -> "RewardModel":
        """Load the model in `folder`, which the spec names in `field`.

        Raises BadSpec for one that is no reward model: without a head, or with another number of outputs than one.
        """
        try:
            loaded = load_reward_model(folder, LoadPlan(dtype, seed=0))
        except BadSpec as error:
            raise BadSpec(error.message, field) from error
        if loaded.fresh:
            architecture = type(loaded.model).__name__
            raise BadSpec(
                f"the model has no head with one output ({architecture} lacks {loaded.fresh[0]}); expected a reward"
                " model, such as task Reward publishes",
                field,
            )
        loaded.model.to(device).eval().requires_grad_(False)
        return cls(loaded)

    def score(self, prompts: Sequence[Turns], completions: Sequence[Turns]) -> list[float]:
        """Return a reward for each completion of the prompt at the same place."""
        texts = [whole(prompt, completion) for prompt, completion in zip(prompts, completions, strict=True)]
        rows = [shortened(reward_ids(text, self._loaded.tokenizer), self._length) for text in texts]
        rewards: list[float] = all_rewards(self._loaded, rows, self._batch_size).tolist()
        return rewards
