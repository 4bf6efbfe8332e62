"""Named entities: the losses of a plain loop that aligns words and sub-words by itself, and what is published."""

import json
from typing import Any

import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from tests.e2e.trainer.plain_loop import expect_equal, plain_losses, seeded, trained_losses
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

TAGS = ["O", "B-THING", "I-THING", "B-WHO", "I-WHO"]
WHO = (["Tina"], ["Carl", "Winters"], ["Nell"])
THINGS = (["kettle"], ["wool", "blanket"], ["steel", "lamp"], ["film"])


def sentences() -> list[dict[str, Any]]:
    """12 sentences with a person and a thing each; most words have several sub-words."""
    rows = []
    for who in WHO:
        for thing in THINGS:
            tags = ["B-WHO", *["I-WHO"] * (len(who) - 1), "O", "O", "B-THING", *["I-THING"] * (len(thing) - 1), "O"]
            rows.append({"tokens": [*who, "finds", "a", *thing, "."], "tags": tags})
    return rows


def _batch(rows: list[dict[str, Any]], tokenizer: Any, every: bool) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Tokenize word by word, so that the place of each sub-word is known without asking the tokenizer."""
    ids, labels = [], []
    for row in rows:
        of_row, tags = [tokenizer.cls_token_id], [-100]
        for word, tag in zip(row["tokens"], row["tags"], strict=True):
            pieces = tokenizer(word, add_special_tokens=False)["input_ids"]
            later = TAGS.index(tag.replace("B-", "I-")) if every else -100
            of_row += pieces
            tags += [TAGS.index(tag), *[later] * (len(pieces) - 1)]
        ids.append([*of_row, tokenizer.sep_token_id])
        labels.append([*tags, -100])
    width = max(map(len, ids))
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    padded = torch.tensor([row + [0] * (width - len(row)) for row in ids])
    wanted = torch.tensor([row + [-100] * (width - len(row)) for row in labels])
    return {"input_ids": padded, "attention_mask": mask}, wanted


@pytest.mark.parametrize("every", [False, True])
def test_entities_have_the_losses_of_a_plain_loop(site: Site, every: bool):
    rows, folder = sentences(), site.volumes / "models/encoder"
    model = seeded(lambda: AutoModelForTokenClassification.from_pretrained(folder, num_labels=len(TAGS)))
    batch, labels = _batch(rows, AutoTokenizer.from_pretrained(folder), every)
    assert (labels == -100).sum() > 3 * len(rows) or every, "words of several sub-words belong to the test"
    plain = plain_losses(
        model, batch, lambda logits: torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    )
    losses = trained_losses(
        site,
        batches={"batchSize": 12} if every else {"batchSize": 4, "gradientAccumulationSteps": 3},
        task="TokenClassification",
        model={"source": "pvc://models/encoder"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("e.jsonl", rows)},
        },
        tokenClassification={"labelAllTokens": every},
    )
    expect_equal(losses, plain)
    config = json.loads((site.published() / "config.json").read_text())
    evaluation = json.loads((site.published() / "evaluation.json").read_text())["evaluation"]
    assert [config["id2label"][str(index)] for index in range(len(TAGS))] == TAGS
    assert {"loss", "accuracy", "precision", "recall", "f1", "f1_THING", "f1_WHO"} == evaluation["metrics"].keys()
    assert evaluation["samples"][0]["expected"] == "Tina (WHO), kettle (THING)"


def test_words_beyond_the_longest_row_are_counted_as_cut_off_and_as_not_found(site: Site):
    long = {"tokens": ["film"] * 60 + ["Nell"], "tags": ["O"] * 60 + ["B-WHO"]}
    rows = site.write("train.jsonl", [*sentences(), long])
    job = site.job(
        task="TokenClassification",
        model={"source": "pvc://models/encoder"},
        dataset={"train": {"source": rows}, "evaluation": {"source": site.write("e.jsonl", [long, long])}},
        training={"maxSteps": 1, "epochs": None, "maxLength": 32},
        evaluation={"baseline": False},
    )
    site.run(job).succeeded()
    report = json.loads((site.published() / "evaluation.json").read_text())
    assert report["evaluation"]["metrics"]["recall"] == 0.0
    assert report["evaluation"]["metrics"]["f1_WHO"] == 0.0
    assert "truncated" in json.dumps(report).lower()
