"""DPO: the losses of a plain loop, and figures that a reader can reckon again from the published model."""

import json
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer

from finetune_api.failures import EXIT_CODE_OF, FailureClass
from tests.e2e.trainer.plain_loop import expect_equal, plain_losses, seeded, trained_losses
from tests.e2e.trainer.tasks.answers import PAIRS, Answers
from tests.e2e.trainer.tiny_data import chat_pairs
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

BETA = 0.3
LORA = {"method": "LoRA", "lora": {"rank": 4, "alpha": 8}}
KINDS: dict[str, dict[str, Any]] = {
    "full": {"batches": {"batchSize": 2, "gradientAccumulationSteps": 2}},
    "chosen answers stay likely": {"dpo": {"rpoAlpha": 0.5}},
    "LoRA": {"tuning": LORA},
    "ipo, reference asked ahead": {"dpo": {"lossType": "ipo", "precomputeReferenceLogProbs": True}},
    "LoRA, another reference": {"tuning": LORA, "dpo": {"referenceModel": {"source": "pvc://models/other-decoder"}}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_are_those_of_a_plain_loop(site: Site, kind: str):
    tokenizer, answers = _answers(site)
    model = AutoModelForCausalLM.from_pretrained(site.volumes / "models/decoder")
    other = site.volumes / "models/other-decoder"
    if not other.exists():
        _save_other(other, tokenizer)
    reference_folder = other if "another" in kind else site.volumes / "models/decoder"
    reference = answers.logps_of(AutoModelForCausalLM.from_pretrained(reference_folder))
    if "LoRA" in kind:
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
        base = model
        model = seeded(lambda: get_peft_model(base, config))

    def loss_of(logits: Any) -> Any:
        ratios = answers.logps(logits) - reference
        if "ipo" in kind:
            chosen, rejected = (ratios / answers.lengths).chunk(2)
            return ((chosen - rejected - 1 / (2 * BETA)) ** 2).mean()
        chosen, rejected = ratios.chunk(2)
        alpha = KINDS[kind].get("dpo", {}).get("rpoAlpha", 0)
        nll = -answers.logps(logits)[: len(PAIRS)].sum() / answers.lengths[: len(PAIRS)].sum()
        return -logsigmoid(BETA * (chosen - rejected)).mean() + alpha * nll

    plain = plain_losses(model, answers.batch, loss_of)
    changes = {"batches": {"batchSize": 4}, **KINDS[kind]}
    losses = trained_losses(site, **{**_job(site), **changes, "dpo": {"beta": BETA, **changes.get("dpo", {})}})
    expect_equal(losses, plain)
    _expect_figures(site, answers, reference, None if "ipo" in kind else loss_of)


def _expect_figures(site: Site, answers: Answers, reference: Any, loss_of: Any) -> None:
    """Compare the report with what the published model says of the same pairs."""
    model = AutoModelForCausalLM.from_pretrained(site.published()).eval()
    with torch.no_grad():
        logits = model(**answers.batch).logits
    logps = answers.logps(logits)
    chosen, rejected = (logps / answers.lengths).chunk(2)
    margins = BETA * (logps - reference)[: len(PAIRS)] - BETA * (logps - reference)[len(PAIRS) :]
    report = json.loads((site.published() / "evaluation.json").read_text())
    figures = report["evaluation"]["metrics"]
    assert {"loss", "grad_norm", "rewards_margins", "rewards_accuracies"} <= report["training"]["metrics"].keys()
    assert {"step", "loss", "learning_rate", "rewards_margins"} <= report["training"]["history"][0].keys()
    assert figures.get("loss") == (pytest.approx(loss_of(logits).item(), abs=1e-4) if loss_of else None)
    assert figures["logps_accuracy"] == (chosen > rejected).float().mean().item()
    assert figures["logps_margin"] == pytest.approx((chosen - rejected).mean().item(), abs=1e-4)
    assert figures["rewards_margins"] == pytest.approx(margins.mean().item(), abs=1e-4)
    assert figures["rewards_accuracies"] == (margins > 0).float().mean().item()
    assert report["evaluation"]["samples"][0]["expected"] == PAIRS[0]["chosen"]


def test_the_base_model_has_no_rewards_against_itself(site: Site):
    training = {"epochs": None, "maxSteps": 1, "batchSize": 4}
    site.run(site.job(**_job(site, chat_pairs()), training=training)).succeeded()
    baseline = json.loads((site.published() / "evaluation.json").read_text())["baseline"]
    base = baseline["metrics"]
    assert sorted(base) == ["logps_accuracy", "logps_chosen", "logps_margin", "logps_rejected", "loss"]
    assert base["loss"] == pytest.approx(0.693147, abs=1e-6)
    assert baseline["samples"][0]["input"].endswith("Description:"), "the user's message"


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "an adapter on the head": (
        {"tuning": {"method": "LoRA", "lora": {"targetModules": ["lm_head"]}}},
        "leave lm_head out of targetModules",
    ),
    "a reference with another vocabulary": (
        {"dpo": {"referenceModel": {"source": "pvc://models/strange-decoder"}}},
        "name a model with the same tokenizer",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_compared_is_refused(site: Site, case: str):
    tokenizer = AutoTokenizer.from_pretrained(site.volumes / "models/decoder")
    tokenizer.add_tokens("kettle")
    _save_other(site.volumes / "models/strange-decoder", tokenizer)
    changes, words = REFUSALS[case]
    evaluation = {"baseline": False}
    process = site.run(site.job(**{**_job(site), **changes, "evaluation": evaluation}))
    assert process.wait() == EXIT_CODE_OF[FailureClass.BAD_SPEC]
    assert words in process.output


def _answers(site: Site) -> tuple[Any, Answers]:
    tokenizer = AutoTokenizer.from_pretrained(site.volumes / "models/decoder")
    texts = [(pair["prompt"], pair[answer]) for answer in ("chosen", "rejected") for pair in PAIRS]
    return tokenizer, Answers.of(texts, tokenizer)


def _job(site: Site, rows: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "task": "DPO",
        "model": {"source": "pvc://models/decoder"},
        "dataset": {
            "train": {"source": site.write("train.jsonl", rows or PAIRS)},
            "evaluation": {"source": site.write("evaluation.jsonl", rows or PAIRS)},
        },
        "evaluation": {"baseline": True, "maxNewTokens": 2},
    }


def _save_other(folder: Any, tokenizer: Any) -> None:
    """A model with this tokenizer and other weights."""
    model = AutoModelForCausalLM.from_pretrained(folder.parent / "decoder")
    for weights in model.parameters():
        weights.data.mul_(1.5)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
