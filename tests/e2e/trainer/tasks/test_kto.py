"""KTO: the losses of a plain loop, and figures that a reader can reckon again from the published model."""

import json
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from finetune_api.failures import ExitCode
from tests.e2e.trainer.plain_loop import GENTLE_LEARNING_RATE, expect_equal, plain_losses, seeded, trained_losses
from tests.e2e.trainer.tasks.answers import PAIRS, Answers
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

BETA, DESIRABLE, UNDESIRABLE = 0.5, 1.5, 0.75
# Of two rows, each is the other's neighbour, whatever their order. The good answer is the long one, so that what is
# learnt makes the two answers together likelier.
ROWS = [
    {"prompt": PAIRS[0]["prompt"], "completion": PAIRS[0]["rejected"], "label": True},
    {"prompt": PAIRS[1]["prompt"], "completion": PAIRS[1]["chosen"], "label": False},
]


@pytest.mark.parametrize("method", ["Full", "LoRA"])
def test_the_losses_are_those_of_a_plain_loop(site: Site, method: str):
    tokenizer = AutoTokenizer.from_pretrained(site.volumes / "models/decoder")
    matched = [(row["prompt"], row["completion"]) for row in ROWS]
    crossed = [(ROWS[0]["prompt"], ROWS[1]["completion"]), (ROWS[1]["prompt"], ROWS[0]["completion"])]
    answers = Answers.of([*matched, *crossed], tokenizer)
    model = AutoModelForCausalLM.from_pretrained(site.volumes / "models/decoder")
    reference = answers.logps_of(model)
    divergences = []

    def loss_of(logits: torch.Tensor) -> torch.Tensor:
        (good, bad), mismatched = (answers.logps(logits) - reference).chunk(2)
        divergence = mismatched.detach().mean().clamp(min=0)
        divergences.append(divergence.item())
        losses = (
            DESIRABLE * (1 - torch.sigmoid(BETA * (good - divergence))),
            UNDESIRABLE * (1 - torch.sigmoid(BETA * (divergence - bad))),
        )
        return torch.stack(losses).mean()

    if method == "LoRA":
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
        base = model
        model = seeded(lambda: get_peft_model(base, config))
    plain = plain_losses(model, answers.batch, loss_of, GENTLE_LEARNING_RATE)
    assert max(divergences) > 0.01, "the estimate plays no part"
    options = {"beta": BETA, "desirableWeight": DESIRABLE, "undesirableWeight": UNDESIRABLE}
    tuning = {"method": "LoRA", "lora": {"rank": 4, "alpha": 8}} if method == "LoRA" else {"method": "Full"}
    batches = {"batchSize": 2, "learningRate": GENTLE_LEARNING_RATE}
    expect_equal(trained_losses(site, batches=batches, kto=options, tuning=tuning, **_job(site)), plain)

    figures = json.loads((site.published() / "evaluation.json").read_text())["evaluation"]["metrics"]
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(site.published())(**answers.batch).logits
        logps = answers.logps(logits)
    (good, bad), _ = (BETA * (logps - reference)).chunk(2)
    means = logps / answers.lengths
    assert figures["loss"] == pytest.approx(loss_of(logits).item(), abs=1e-4)
    assert figures["rewards_margins"] == pytest.approx((good - bad).item(), abs=1e-4)
    assert figures["logps_margin"] == pytest.approx((means[0] - means[1]).item(), abs=1e-4)
    assert figures["logps_roc_auc"] == float(means[0] > means[1])


def test_a_batch_of_one_row_is_refused(site: Site):
    process = site.run(site.job(**_job(site), training={"batchSize": 1}))
    assert process.wait() == ExitCode.BAD_SPEC
    assert "needs at least 2" in process.output


def test_a_last_batch_of_one_row_has_none_to_be_compared_with_and_is_left_to_the_next_epoch(site: Site):
    job = site.job(**_job(site), training={"batchSize": 2, "epochs": 2})
    site.write("train.jsonl", [*ROWS, {"prompt": "Is ice cold?", "completion": " No.", "label": False}])
    progress = site.run(job).succeeded().report.progress
    assert progress
    assert progress.total_steps == 2


def _job(site: Site) -> dict[str, Any]:
    return {
        "task": "KTO",
        "model": {"source": "pvc://models/decoder"},
        "dataset": {
            "train": {"source": site.write("train.jsonl", ROWS)},
            "evaluation": {"source": site.write("evaluation.jsonl", ROWS)},
        },
        "evaluation": {"baseline": False, "maxNewTokens": 2},
    }
