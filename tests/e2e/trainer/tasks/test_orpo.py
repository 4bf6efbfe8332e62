"""ORPO: the losses of a plain loop, and figures that a reader can reckon again from the published model."""

import json
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.e2e.trainer.plain_loop import expect_equal, plain_losses, trained_losses
from tests.e2e.trainer.tasks.answers import PAIRS, Answers
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

BETA = 0.4


def test_the_losses_are_those_of_a_plain_loop(site: Site):
    tokenizer = AutoTokenizer.from_pretrained(site.volumes / "models/decoder")
    texts = [(pair["prompt"], pair[answer]) for answer in ("chosen", "rejected") for pair in PAIRS]
    answers = Answers.of(texts, tokenizer)
    tokens = answers.batch["input_ids"].masked_fill(answers.batch["attention_mask"] == 0, -100)[: len(PAIRS)]

    def parts(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        likelihood = torch.exp(answers.logps(logits) / answers.lengths)
        chosen, rejected = (likelihood / (1 - likelihood)).chunk(2)
        learnt = logits[: len(PAIRS), :-1].flatten(0, 1)
        return torch.nn.functional.cross_entropy(learnt, tokens[:, 1:].flatten()), torch.log(chosen / rejected)

    def loss_of(logits: torch.Tensor) -> torch.Tensor:
        nll, log_odds = parts(logits)
        return nll - BETA * torch.nn.functional.logsigmoid(log_odds).mean()

    model = AutoModelForCausalLM.from_pretrained(site.volumes / "models/decoder")
    plain = plain_losses(model, answers.batch, loss_of)
    expect_equal(trained_losses(site, batches={"batchSize": 4}, orpo={"beta": BETA}, **_job(site, PAIRS)), plain)

    figures = json.loads((site.published() / "evaluation.json").read_text())["evaluation"]["metrics"]
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(site.published())(**answers.batch).logits
        nll, _ = parts(logits)
        chosen, rejected = (answers.logps(logits) / answers.lengths).chunk(2)
    assert figures["nll_loss"] == pytest.approx(nll.item(), abs=1e-4)
    assert figures["loss"] == pytest.approx(loss_of(logits).item(), abs=1e-4)
    assert figures["logps_accuracy"] == (chosen > rejected).float().mean().item()


def _job(site: Site, rows: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "task": "ORPO",
        "model": {"source": "pvc://models/decoder"},
        "dataset": {
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("evaluation.jsonl", rows)},
        },
        "evaluation": {"baseline": False, "maxNewTokens": 2},
    }
