"""POST /v1/classify, answered by a real model that finds entities."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import torch
from aiohttp.test_utils import TestClient
from transformers import AutoModelForTokenClassification, AutoTokenizer

from finetune_trainer.artifact import write_manifest
from tests.e2e.serving.answering import answering
from tests.e2e.trainer.tiny_models import make_encoder

TAGS = ["O", "B-THING", "I-THING"]
SENTENCES = {
    "the wool blanket warms , the kettle boils": "O B-THING I-THING O O O B-THING O",
    "a kettle and a wool blanket": "O B-THING O O B-THING I-THING",
    "the film loses its way , the story boils": "O O O O O O O O O",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published model that has learnt to find kettles and wool blankets, by words' first sub-words."""
    folder = tmp_path_factory.mktemp("served") / "things"
    make_encoder(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_pretrained(folder, id2label=dict(enumerate(TAGS)))
    words = [sentence.split() for sentence in SENTENCES]
    batch = tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt")
    labels = torch.full(batch["input_ids"].shape, -100)
    for row, tags in enumerate(SENTENCES.values()):
        places = batch.word_ids(row)
        for word, tag in enumerate(tags.split()):
            labels[row, places.index(word)] = TAGS.index(tag)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(60):
        loss = model(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.05, f"the fixture did not learn: loss {loss.item():.3f}"
    model.save_pretrained(folder)
    write_manifest(folder)
    return folder


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of the application that serves it."""
    async with answering(folder) as client:
        yield client


async def _classify(client: TestClient[Any, Any], body: Any) -> tuple[int, Any]:
    async with client.post("/v1/classify", json=body) as response:
        return response.status, await response.json()


async def test_entities_are_answered_as_spans_of_each_text(client: TestClient[Any, Any]):
    texts = ["the wool  blanket warms, the kettle boils", "the film loses its way, the story boils", "a kettle"]
    status, body = await _classify(client, {"model": "things", "input": texts})
    assert status == 200
    found = [[(entity["label"], entity["text"]) for entity in result["entities"]] for result in body["results"]]
    assert found == [[("THING", "wool  blanket"), ("THING", "kettle")], [], [("THING", "kettle")]]
    (blanket, kettle) = body["results"][0]["entities"]
    assert (blanket["start"], blanket["end"], kettle["start"], kettle["end"]) == (4, 17, 29, 35)
    assert 0.5 < kettle["score"] <= 1


async def test_what_the_model_cannot_honour_is_refused(client: TestClient[Any, Any]):
    status, body = await _classify(client, {"input": "a kettle", "top_k": 2})
    assert (status, body["error"]["param"]) == (400, "top_k")
    assert "ranks no labels; leave it out" in body["error"]["message"]


async def test_text_beyond_the_models_limit_is_not_read_and_says_so(client: TestClient[Any, Any]):
    status, body = await _classify(client, {"input": "film " * 100 + "kettle"})
    assert status == 200
    assert body["results"] == [{"entities": [], "truncated": True}]
