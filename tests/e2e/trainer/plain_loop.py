"""A training loop that is written here, independently of the trainer, and the trainer's losses to compare with."""

import json
from typing import Any

import pytest
import torch

from tests.e2e.trainer.trainer_process import Fault, Site

STEPS = 4
LEARNING_RATE = 1e-2
GENTLE_LEARNING_RATE = 3e-3
"""For losses that swing at the usual rate: there, rounding grows from step to step."""


def plain_losses(
    model: Any, batch: dict[str, torch.Tensor], loss_of: Any, learning_rate: float = LEARNING_RATE
) -> list[float]:
    """AdamW over the same batch, the rate falling linearly to 0, gradients clipped to norm 1."""
    model.train()
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0)
    losses = []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - step / STEPS)
        loss = loss_of(model(**batch).logits)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    return losses


def trained_losses(site: Site, fault: Fault | None = None, **changes: Any) -> list[float]:
    """Let the trainer learn all rows in each step, whatever their order; return its losses.

    `fault` is called in the trainer's process first.
    """
    training = {"epochs": None, "maxSteps": STEPS, "learningRate": LEARNING_RATE, "loggingIntervalSteps": 1}
    job = site.job(training={**training, **changes.pop("batches")}, **changes)
    site.run(job, fault).succeeded()
    history = json.loads((site.published() / "evaluation.json").read_text())["training"]["lossHistory"]
    assert [step for step, _ in history] == list(range(1, STEPS + 1))
    return [loss for _, loss in history]


def expect_equal(losses: list[float], plain: list[float]) -> None:
    """Check that both are the same to 1e-5, and that something was learnt."""
    assert losses == pytest.approx(plain, abs=1e-5)
    assert max(losses) - min(losses) > 1e-3, "nothing changed"


def seeded(make: Any) -> Any:
    """Make a model whose fresh weights are those that the trainer starts from."""
    torch.manual_seed(42)
    return make()


def padded(ids: list[list[int]], labels: list[list[int]]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return a batch of rows that are filled up at the end, and their labels, -100 where nothing counts."""
    width = max(map(len, ids))
    assert width <= 64, "rows must not be cut"
    tokens = torch.tensor([row + [0] * (width - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    wanted = torch.tensor([row + [-100] * (width - len(row)) for row in labels])
    return {"input_ids": tokens, "attention_mask": mask}, wanted


def next_token_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of `logits` [rows, tokens, words] over labels [rows, tokens], one token later."""
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
