"""RLOO: the losses of a plain loop over the same completions, which a reward model and functions score."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from tests.e2e.trainer.plain_loop import expect_equal, trained_losses
from tests.e2e.trainer.tasks.rollouts import PlainSteps, logps_of, read_rollouts, record_trl, reward_of
from tests.e2e.trainer.tasks.test_grpo import BETA, EPSILON, GROUP, TEMPERATURE, _job
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e


def test_the_losses_are_those_of_a_plain_loop(site: Site, tmp_path: Path):
    path = tmp_path / "completions"
    folder = site.volumes / "models/decoder"
    judge = _save_judge(folder, site.volumes / "models/judge")
    batches = {"batchSize": 8, "gradientAccumulationSteps": 2, "maxLength": 32}
    job = _job(site, "RLOO", rewardModel={"source": "pvc://models/judge"})
    losses = trained_losses(site, partial(record_trl, path), batches=batches, **job)
    model, base = (AutoModelForCausalLM.from_pretrained(folder) for _ in range(2))
    tokenizer, steps = AutoTokenizer.from_pretrained(folder), PlainSteps(list(model.parameters()))
    for prompts, completions in read_rollouts(path):
        with torch.no_grad():
            old, reference = (_sums(net, prompts, completions) for net in (model, base))
        texts = [tokenizer.batch_decode(ids, skip_special_tokens=True) for ids in (prompts, completions)]
        scores = [
            reward_of(text) + _verdict(judge, tokenizer, prompt + text) for prompt, text in zip(*texts, strict=True)
        ]
        rewards = [score - BETA * float(one - other) for score, one, other in zip(scores, old, reference, strict=True)]
        groups = [rewards[start - start % GROUP :][:GROUP] for start in range(len(rewards))]
        advantages = torch.tensor(
            [own - (sum(group) - own) / (GROUP - 1) for own, group in zip(rewards, groups, strict=True)]
        )
        for _ in range(2):
            ratio = torch.exp(_sums(model, prompts, completions) - old)
            clipped = ratio.clamp(1 - EPSILON, 1 + EPSILON)
            steps.learn(-torch.minimum(ratio * advantages, clipped * advantages).mean())
    expect_equal(losses, steps.losses)


def _sums(model: Any, prompts: list[list[int]], completions: list[list[int]]) -> Any:
    return torch.stack([row.sum() for row in logps_of(model, prompts, completions, TEMPERATURE)])


def _save_judge(decoder: Path, folder: Path) -> Any:
    """Save a reward model with a head of random weights beside the decoder's own."""
    torch.manual_seed(1)
    judge = AutoModelForSequenceClassification.from_pretrained(decoder, num_labels=1)
    judge.score.weight.data.normal_(std=0.3)
    judge.save_pretrained(folder)
    AutoTokenizer.from_pretrained(decoder).save_pretrained(folder)
    return judge.eval()


@torch.no_grad()
def _verdict(judge: Any, tokenizer: Any, text: str) -> float:
    ids = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    return float(judge(torch.tensor([ids])).logits[0, 0])
