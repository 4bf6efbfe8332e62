"""Task Seq2Seq: the losses of a plain loop, and a published model that writes as it was evaluated."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from tests.e2e.trainer.plain_loop import expect_equal, padded, plain_losses, seeded, trained_losses
from tests.e2e.trainer.tiny_data import descriptions
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

PREFIX = "describe: "
SETTINGS = {"prefix": PREFIX, "numBeams": 2, "maxNewTokens": 7}


@pytest.mark.parametrize("kind", ["Full", "accumulated", "LoRA"])
def test_has_the_losses_of_a_plain_loop_and_writes_as_evaluated(site: Site, kind: str):
    rows = [{"source": row["prompt"], "target": row["completion"].strip()} for row in descriptions()]
    folder = site.volumes / "models/encoder-decoder"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sources = tokenizer([PREFIX + row["source"] for row in rows])["input_ids"]
    targets = tokenizer([row["target"] for row in rows])["input_ids"]
    assert all(ids[-1] == tokenizer.eos_token_id for ids in sources + targets)
    batch, _ = padded(sources, sources)
    given, labels = padded([[0, *ids[:-1]] for ids in targets], targets)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    if kind == "LoRA":
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="SEQ_2_SEQ_LM")
        model = seeded(lambda: get_peft_model(model, config))
    plain = plain_losses(
        model,
        {**batch, "decoder_input_ids": given["input_ids"]},
        lambda logits: torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()),
    )
    losses = trained_losses(
        site,
        batches={"batchSize": 4, "gradientAccumulationSteps": 3} if kind == "accumulated" else {"batchSize": 12},
        task="Seq2Seq",
        seq2Seq=SETTINGS,
        model={"source": "pvc://models/encoder-decoder"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("e.jsonl", rows)},
        },
        tuning={"method": "LoRA", "lora": {"rank": 4, "alpha": 8}} if kind == "LoRA" else {"method": "Full"},
    )
    expect_equal(losses, plain)
    _check_published(site.published(), rows)


def _check_published(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Whoever loads the folder gets the texts of the evaluation, by the settings that it carries."""
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert (model.generation_config.num_beams, model.generation_config.max_new_tokens) == (2, 7)
    assert model.config.prefix == PREFIX
    report = json.loads((folder / "evaluation.json").read_text())["evaluation"]
    assert len(report["samples"]) == 5
    for sample, row in zip(report["samples"], rows, strict=False):
        tokens = tokenizer(PREFIX + row["source"], return_tensors="pt")
        written = tokenizer.decode(model.generate(**tokens)[0], skip_special_tokens=True)
        assert sample == {"input": row["source"], "expected": row["target"], "output": written.strip()}
    tokens = tokenizer([PREFIX + row["source"] for row in rows], padding=True, return_tensors="pt")
    labels = tokenizer([row["target"] for row in rows], padding=True, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        loss = model(**tokens, labels=labels.masked_fill(labels == 0, -100)).loss
    assert report["metrics"]["loss"] == pytest.approx(float(loss), abs=1e-5)
    assert report["metrics"].keys() == {"loss", "rouge1", "rouge2", "rougeL", "bleu", "exact_match"}
