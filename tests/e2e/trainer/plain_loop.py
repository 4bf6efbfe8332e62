"""A training loop that is written here, independently of the trainer, and the trainer's losses to compare with."""

import json
from typing import Any

import pytest
import torch

from tests.e2e.trainer.trainer_process import Site

STEPS = 4
LEARNING_RATE = 1e-2


def plain_losses(model: Any, batch: dict[str, torch.Tensor], loss_of: Any) -> list[float]:
    """AdamW over the same batch, the rate falling linearly to 0, gradients clipped to norm 1."""
    model.train()
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.0)
    losses = []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / STEPS)
        loss = loss_of(model(**batch).logits)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    return losses


def trained_losses(site: Site, **changes: Any) -> list[float]:
    """Let the trainer learn all rows in each step, whatever their order; return its losses."""
    training = {"epochs": None, "maxSteps": STEPS, "learningRate": LEARNING_RATE, "loggingIntervalSteps": 1}
    job = site.job(training={**training, **changes.pop("batches")}, **changes)
    site.run(job).succeeded()
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
