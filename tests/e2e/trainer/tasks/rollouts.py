"""What the trainer sampled, written down in its process, and plain steps that learn from the same."""

import json
from pathlib import Path
from typing import Any

import torch
from trl import GRPOTrainer, RLOOTrainer

from finetune_trainer.tasks.rewarded.ppo_rollouts import Sampler
from tests.e2e.trainer.plain_loop import LEARNING_RATE, STEPS

PROMPTS = [f"a {word} film" for word in ("warm", "funny", "dull", "noisy")]
TARGET_CHARACTERS = 12
REWARDS = [
    {"name": "length", "type": "Length", "length": {"targetCharacters": TARGET_CHARACTERS}},
    {"name": "vowel", "type": "Regex", "regex": {"pattern": "[aeiou]"}, "weight": 0.5},
]


def reward_of(text: str) -> float:
    """Return what REWARDS give, said again in other words."""
    text = text.strip()
    length = max(0.0, 1 - abs(len(text) - TARGET_CHARACTERS) / TARGET_CHARACTERS)
    return length + 0.5 * bool(set("aeiou") & set(text))


def record_trl(path: Path) -> None:
    """Let TRL's trainers write down the token ids of prompts and completions, a line for each rollout."""
    _record(GRPOTrainer, "_generate_single_turn", path, lambda args, made: (args[1], made[0]))
    _record(RLOOTrainer, "_generate_single_turn", path, lambda args, made: (args[1], made))


def record_ppo(path: Path) -> None:
    """Let the PPO trainer do the same."""
    _record(Sampler, "rollout", path, lambda _args, made: (made.prompts, made.responses))


def _record(owner: Any, method: str, path: Path, pick: Any) -> None:
    original = getattr(owner, method)

    def recorded(*args: Any, **options: Any) -> Any:
        made = original(*args, **options)
        with path.open("a") as stream:
            stream.write(json.dumps(pick(args, made)) + "\n")
        return made

    setattr(owner, method, recorded)


def read_rollouts(path: Path) -> list[tuple[list[list[int]], list[list[int]]]]:
    """Return prompts and completions of each rollout."""
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()]


def logps_of(model: Any, prompts: list[list[int]], completions: list[list[int]], temperature: float) -> list[Any]:
    """Return each completion's log-probabilities, row by row, without any padding."""
    rows = []
    for prompt, completion in zip(prompts, completions, strict=True):
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        rows.append(torch.log_softmax(logits / temperature, -1)[range(len(completion)), completion])
    return rows


class PlainSteps:
    """AdamW, the rate falling linearly to 0, gradients clipped to norm 1."""

    def __init__(self, weights: list[Any]) -> None:
        self._weights = weights
        self._optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.0)
        self.losses: list[float] = []

    def learn(self, loss: Any) -> None:
        """Make one step."""
        self._optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - len(self.losses) / STEPS)
        self.losses.append(loss.item())
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
