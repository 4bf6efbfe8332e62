"""PPO: the losses of a plain loop over the same completions, written out token by token."""

import json
from functools import partial
from pathlib import Path
from statistics import fmean, pvariance
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.e2e.trainer.plain_loop import expect_equal, trained_losses
from tests.e2e.trainer.tasks.rollouts import (
    PROMPTS,
    REWARDS,
    PlainSteps,
    logps_of,
    read_rollouts,
    record_ppo,
    reward_of,
)
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

KL, CLIP, CLIP_VALUE, VF, GAMMA, LAM, PENALTY, TEMPERATURE = 0.2, 0.1, 0.15, 0.3, 0.98, 0.9, 0.4, 0.9
EPOCHS = 2
END = 2


def test_the_losses_are_those_of_a_plain_loop(site: Site, tmp_path: Path):
    rows = site.write("prompts.jsonl", [{"prompt": prompt} for prompt in PROMPTS])
    path = tmp_path / "completions"
    losses = trained_losses(
        site,
        partial(record_ppo, path),
        batches={"batchSize": 2, "gradientAccumulationSteps": 2, "maxLength": 32},
        task="PPO",
        model={"source": "pvc://models/decoder"},
        dataset={"train": {"source": rows}, "evaluation": {"source": rows}},
        evaluation={"samplePrompts": ["a good film"]},
        ppo={
            "rewardFunctions": REWARDS,
            "responseLength": 8,
            "temperature": TEMPERATURE,
            "numPpoEpochs": EPOCHS,
            "klCoef": KL,
            "clipRange": CLIP,
            "clipRangeValue": CLIP_VALUE,
            "vfCoef": VF,
            "gamma": GAMMA,
            "lam": LAM,
            "missingEosPenalty": PENALTY,
        },
    )
    folder = site.volumes / "models/decoder"
    model, base = (AutoModelForCausalLM.from_pretrained(folder) for _ in range(2))
    head = torch.nn.Linear(model.config.hidden_size, 1)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    steps = PlainSteps([*model.parameters(), *head.parameters()])
    for prompts, completions in read_rollouts(path):
        assert len(prompts) == len(PROMPTS)
        with torch.no_grad():
            old, reference = (logps_of(net, prompts, completions, TEMPERATURE) for net in (model, base))
            old_values = _values(model, head, prompts, completions)
        scores = [
            reward_of(tokenizer.decode(ids, skip_special_tokens=True)) - PENALTY * (ids[-1] != END)
            for ids in completions
        ]
        estimates = [_advantages(*row) for row in zip(scores, old, reference, old_values, strict=True)]
        flat = [advantage for advantages, _ in estimates for advantage in advantages]
        scale, middle = (pvariance(flat) + 1e-8) ** 0.5, fmean(flat)
        for _ in range(EPOCHS):
            new, values = logps_of(model, prompts, completions, TEMPERATURE), _values(model, head, prompts, completions)
            total = torch.zeros(())
            for row, (advantages, returns) in enumerate(estimates):
                whitened = torch.tensor([(advantage - middle) / scale for advantage in advantages])
                total = total + _loss(
                    torch.exp(new[row] - old[row]), whitened, values[row], old_values[row], torch.tensor(returns)
                )
            steps.learn(total / len(flat))
    expect_equal(losses, steps.losses)
    report = json.loads((site.published() / "evaluation.json").read_text())
    assert [sample["input"] for sample in report["baseline"]["samples"]] == ["a good film"]
    with safe_open(site.published() / "model.safetensors", "pt") as weights:
        assert not [name for name in weights.keys() if "value" in name]  # noqa: SIM118


def _values(model: Any, head: Any, prompts: list[list[int]], completions: list[list[int]]) -> list[Any]:
    rows = []
    for prompt, completion in zip(prompts, completions, strict=True):
        states = model(torch.tensor([prompt + completion]), output_hidden_states=True).hidden_states[-1][0]
        rows.append(head(states)[len(prompt) - 1 : -1, 0])
    return rows


def _advantages(score: float, logps: Any, reference: Any, values: Any) -> tuple[list[float], list[float]]:
    rewards = [-KL * float(one - other) for one, other in zip(logps, reference, strict=True)]
    rewards[-1] += score
    states = [*map(float, values), 0.0]
    errors = [reward + GAMMA * states[t + 1] - states[t] for t, reward in enumerate(rewards)]
    advantages = [
        sum((GAMMA * LAM) ** (later - t) * errors[later] for later in range(t, len(errors))) for t in range(len(errors))
    ]
    return advantages, [advantage + value for advantage, value in zip(advantages, states, strict=False)]


def _loss(ratio: Any, advantages: Any, values: Any, old_values: Any, returns: Any) -> Any:
    policy = -torch.minimum(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages)
    near = old_values + (values - old_values).clamp(-CLIP_VALUE, CLIP_VALUE)
    value = 0.5 * torch.maximum((values - returns) ** 2, (near - returns) ** 2)
    return (policy + VF * value).sum()
