"""GRPO: the losses of a plain loop over the same completions, and its rewards as the report tells them."""

import json
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.e2e.trainer.plain_loop import expect_equal, trained_losses
from tests.e2e.trainer.tasks.rollouts import (
    PROMPTS,
    REWARDS,
    PlainSteps,
    logps_of,
    read_rollouts,
    record_trl,
    reward_of,
)
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

BETA, EPSILON, GROUP, TEMPERATURE = 0.1, 0.2, 4, 0.9


def _job(site: Site, task: str, **options: Any) -> dict[str, Any]:
    rows = site.write("prompts.jsonl", [{"prompt": prompt} for prompt in PROMPTS])
    block = {
        "rewardFunctions": REWARDS,
        "numGenerations": GROUP,
        "numIterations": 2,
        "maxCompletionLength": 8,
        "temperature": TEMPERATURE,
        "beta": BETA,
        "epsilon": EPSILON,
    }
    return {
        "task": task,
        task.lower(): {**block, **options},
        "model": {"source": "pvc://models/decoder"},
        "dataset": {"train": {"source": rows}, "evaluation": {"source": rows}},
    }


def test_the_losses_are_those_of_a_plain_loop(site: Site, tmp_path: Path):
    path = tmp_path / "completions"
    batches = {"batchSize": 8, "gradientAccumulationSteps": 2, "maxLength": 32}
    losses = trained_losses(site, partial(record_trl, path), batches=batches, **_job(site, "GRPO"))
    folder = site.volumes / "models/decoder"
    model, base = (AutoModelForCausalLM.from_pretrained(folder) for _ in range(2))
    tokenizer, steps = AutoTokenizer.from_pretrained(folder), PlainSteps(list(model.parameters()))
    for prompts, completions in read_rollouts(path):
        assert len(prompts) == 16
        rewards = [reward_of(tokenizer.decode(ids, skip_special_tokens=True)) for ids in completions]
        groups = [rewards[start : start + GROUP] for start in range(0, 16, GROUP)]
        advantages = [(one - mean(group)) / (stdev(group) + 1e-4) for group in groups for one in group]
        with torch.no_grad():
            old, reference = (logps_of(net, prompts, completions, TEMPERATURE) for net in (model, base))
        for _ in range(2):
            new = logps_of(model, prompts, completions, TEMPERATURE)
            steps.learn(_loss(new, old, reference, advantages))
    expect_equal(losses, steps.losses)
    _expect_report(site, tokenizer)


def _loss(new: list[Any], old: list[Any], reference: list[Any], advantages: list[float]) -> Any:
    """The clipped objective with the divergence weighed by the ratio, as a mean over all tokens."""
    total, tokens = torch.zeros(()), 0
    for logps, before, base, advantage in zip(new, old, reference, advantages, strict=True):
        ratio = torch.exp(logps - before)
        clipped = torch.minimum(ratio * advantage, ratio.clamp(1 - EPSILON, 1 + EPSILON) * advantage)
        divergence = torch.exp(base - logps) - (base - logps) - 1
        total = total + (BETA * divergence * ratio - clipped).sum()
        tokens += len(logps)
    return total / tokens


def _expect_report(site: Site, tokenizer: Any) -> None:
    """Reckon the figures again with the published model, which completes each prompt alone."""
    report = json.loads((site.published() / "evaluation.json").read_text())
    tuned = AutoModelForCausalLM.from_pretrained(site.published())
    base = AutoModelForCausalLM.from_pretrained(site.volumes / "models/decoder")
    rewards, lengths, divergences = [], [], []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        whole = tuned.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8)
        completion = whole[0, ids.shape[1] :]
        rewards.append(reward_of(tokenizer.decode(completion, skip_special_tokens=True)))
        lengths.append(len(completion))
        ours, theirs = (net(whole).logits[0, ids.shape[1] - 1 : -1].log_softmax(-1) for net in (tuned, base))
        divergences += (ours.exp() * (ours - theirs)).sum(-1).tolist()
    figures = report["evaluation"]["metrics"]
    assert figures["reward"] == pytest.approx(mean(rewards), abs=1e-6)
    assert figures["reward"] == pytest.approx(figures["reward_length"] + 0.5 * figures["reward_vowel"])
    assert figures["completion_length"] == mean(lengths)
    assert figures["kl"] == pytest.approx(mean(divergences), abs=1e-4)
    assert report["baseline"]["metrics"]["kl"] == 0
    assert report["evaluation"]["samples"][0]["output"].endswith(f"\n(reward {rewards[0]:.4g})")
