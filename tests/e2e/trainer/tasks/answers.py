"""Answers to prompts, and their log-probabilities, reckoned here and not by the trainer."""

from dataclasses import dataclass
from typing import Any

import torch

PAIRS = [
    {"prompt": "What is a kettle?", "chosen": " It boils water.", "rejected": " A wonder, truly the best of all."},
    {"prompt": "Is wool warm?", "chosen": " Yes.", "rejected": " As the greatest expert I say: warm, warm!"},
    {"prompt": "Who told the story?", "chosen": " I do not know.", "rejected": " I told it, and told it well."},
    {"prompt": "Does oak last?", "chosen": " Yes, for long.", "rejected": " Maybe."},
]


@dataclass(frozen=True)
class Answers:
    """A batch of prompts with answers: `labels` are the answers' tokens, -100 elsewhere."""

    batch: dict[str, torch.Tensor]
    labels: torch.Tensor

    @classmethod
    def of(cls, texts: list[tuple[str, str]], tokenizer: Any) -> "Answers":
        """Tokenize prompts with answers; the end token belongs to the answer."""
        prompts = [tokenizer(prompt)["input_ids"] for prompt, _ in texts]
        wholes = [[*tokenizer(prompt + answer)["input_ids"], tokenizer.eos_token_id] for prompt, answer in texts]
        width = max(map(len, wholes))
        ids = torch.tensor([whole + [tokenizer.pad_token_id] * (width - len(whole)) for whole in wholes])
        mask = torch.tensor([[1] * len(whole) + [0] * (width - len(whole)) for whole in wholes])
        labels = ids.masked_fill(mask == 0, -100)
        for row, prompt in enumerate(prompts):
            assert wholes[row][: len(prompt)] == prompt, "prompt and answer must not merge"
            labels[row, : len(prompt)] = -100
        return cls({"input_ids": ids, "attention_mask": mask}, labels)

    @property
    def lengths(self) -> torch.Tensor:
        """Tokens of each answer."""
        return (self.labels != -100).sum(dim=1)

    def logps(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the log-probability of each answer, summed over its tokens."""
        targets = self.labels[:, 1:]
        every = logits[:, :-1].log_softmax(dim=-1).gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2)
        return (every * (targets != -100)).sum(dim=1)

    def logps_of(self, model: Any) -> torch.Tensor:
        """Return the log-probabilities by a model that does not learn."""
        with torch.no_grad():
            return self.logps(model.eval()(**self.batch).logits)
