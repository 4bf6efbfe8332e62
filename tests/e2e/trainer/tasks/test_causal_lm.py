"""CausalLM: the losses of a plain loop over padded rows, whether the trainer packs its rows or not."""

import json
from typing import Any

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.e2e.trainer.plain_loop import (
    expect_equal,
    next_token_loss,
    padded,
    plain_losses,
    seeded,
    trained_losses,
)
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

LENGTH = 24
TEXTS = [
    "a warm and funny film",
    "what a terrible story, told with neither care nor wit",
    "boils fast, pours clean, lasts long",
    "a kettle is a kettle, and whoever has one in the house has tea, and whoever has tea has company, whatever comes",
]
KINDS: dict[str, dict[str, Any]] = {
    "padded": {},
    "packed": {"batches": {"batchSize": 9, "packing": True}},
    "packed, accumulated": {"batches": {"batchSize": 1, "gradientAccumulationSteps": 9, "packing": True}},
    "packed, LoRA": {
        "batches": {"batchSize": 9, "packing": True},
        "tuning": {"method": "LoRA", "lora": {"rank": 4, "alpha": 8}},
    },
    "truncated": {"causalLM": {"overflow": "Truncate"}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_are_those_of_a_plain_loop(site: Site, kind: str):
    folder = site.volumes / "models/decoder"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    whole = [[*tokenizer(f"Text: {text}")["input_ids"], tokenizer.eos_token_id] for text in TEXTS]
    assert len(whole[-1]) > 2 * LENGTH, "one text must be too long"
    pieces = [ids[:LENGTH] for ids in whole] if kind == "truncated" else [piece for ids in whole for piece in _cut(ids)]
    batch, labels = padded(pieces, pieces)
    model = AutoModelForCausalLM.from_pretrained(folder)
    if "LoRA" in kind:
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
        base = model
        model = seeded(lambda: get_peft_model(base, config))
    plain = plain_losses(model, batch, lambda logits: next_token_loss(logits, labels))
    rows = [{"line": text} for text in TEXTS]
    changes = {"batches": {"batchSize": 16}, **KINDS[kind]}
    losses = trained_losses(
        site,
        task="CausalLM",
        model={"source": "pvc://models/decoder"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("e.jsonl", rows)},
            "template": "Text: {line}",
        },
        evaluation={"baseline": False, "maxNewTokens": 2},
        **{**changes, "batches": {**changes["batches"], "maxLength": LENGTH}},
    )
    expect_equal(losses, plain)
    report = json.loads((site.published() / "evaluation.json").read_text())["evaluation"]
    assert report["metrics"]["tokens"] == sum(len(piece) - 1 for piece in pieces)
    assert report["samples"][0]["input"] == "Text: a warm and"
    assert report["samples"][0]["expected"] == "funny film"


def _cut(ids: list[int]) -> list[list[int]]:
    """Cut so that every token but the first is predicted exactly once."""
    pieces = []
    while len(ids) > 1:
        pieces.append(ids[:LENGTH])
        ids = ids[LENGTH - 1 :]
    return pieces
