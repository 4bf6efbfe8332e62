"""The trainer learns exactly what a plain loop learns that is written here, independently of it."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from tests.e2e.trainer.plain_loop import (
    expect_equal,
    next_token_loss,
    padded,
    plain_losses,
    seeded,
    trained_losses,
)
from tests.e2e.trainer.tiny_data import chats, descriptions, reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("batches", [{"batchSize": 24}, {"batchSize": 8, "gradientAccumulationSteps": 3}])
def test_classification_has_the_losses_of_a_plain_loop(site: Site, batches: dict[str, int]):
    rows = reviews()
    folder = site.volumes / "models/encoder"
    model = seeded(lambda: AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2))
    batch = AutoTokenizer.from_pretrained(folder)([row["text"] for row in rows], padding=True, return_tensors="pt")
    labels = torch.tensor([("bad", "good").index(row["label"]) for row in rows])
    plain = plain_losses(model, batch, lambda logits: torch.nn.functional.cross_entropy(logits, labels))
    losses = trained_losses(
        site,
        batches=batches,
        task="SequenceClassification",
        model={"source": "pvc://models/encoder"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("e.jsonl", rows)},
        },
    )
    expect_equal(losses, plain)


@pytest.mark.parametrize("kind", ["completion only", "whole text", "chat", "accumulated", "LoRA"])
def test_sft_has_the_losses_of_a_plain_loop(site: Site, kind: str):
    rows = chats() if kind == "chat" else descriptions()
    folder = site.volumes / "models/decoder"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = [_ids(row, tokenizer) for row in rows]
    masked = [0 if kind in ("chat", "whole text") else len(tokenizer(row["prompt"])["input_ids"]) for row in rows]
    batch, labels = padded(ids, [[-100] * count + row[count:] for row, count in zip(ids, masked, strict=True)])
    model = AutoModelForCausalLM.from_pretrained(folder)
    if kind == "LoRA":
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
        model = seeded(lambda: get_peft_model(model, config))
    plain = plain_losses(model, batch, lambda logits: next_token_loss(logits, labels))
    losses = trained_losses(
        site,
        batches={"batchSize": 3, "gradientAccumulationSteps": 4} if kind == "accumulated" else {"batchSize": 12},
        task="SFT",
        model={"source": "pvc://models/decoder"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("e.jsonl", rows)},
        },
        sft={"completionOnlyLoss": kind != "whole text"},
        tuning={"method": "LoRA", "lora": {"rank": 4, "alpha": 8}} if kind == "LoRA" else {"method": "Full"},
        evaluation={"baseline": False, "maxNewTokens": 2},
    )
    expect_equal(losses, plain)


def _ids(row: dict[str, Any], tokenizer: Any) -> list[int]:
    if "messages" in row:
        text = "".join(f"<|{message['role']}|>{message['content']}</s>" for message in row["messages"])
        return list(tokenizer(text)["input_ids"])
    return [*tokenizer(row["prompt"] + row["completion"])["input_ids"], tokenizer.eos_token_id]
