"""POST /v1/classify, against a real server of a real model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.e2e.serving.server_process import Server
from tests.e2e.serving.tiny_models import TEXTS


async def test_answers_each_text_with_its_label_in_order(classifier: Server):
    texts = [text for pair in zip(*TEXTS.values(), strict=True) for text in pair]
    status, body = await classifier.post("/v1/classify", {"model": "classifier", "input": texts})
    assert status == 200
    assert [result["label"] for result in body["results"]] == ["negative", "positive"] * 3
    assert (body["model"], body["digest"]) == ("classifier", classifier.digest)


async def test_scores_are_the_softmax_of_the_published_model(classifier: Server, models: Path):
    text = "a good sad film"
    status, body = await classifier.post("/v1/classify", {"input": text})
    model = AutoModelForSequenceClassification.from_pretrained(models / "classifier")
    tokens = AutoTokenizer.from_pretrained(models / "classifier")(text, return_tensors="pt")
    with torch.inference_mode():
        expected = torch.softmax(model(**tokens).logits[0], dim=-1).tolist()
    (result,) = body["results"]
    scores = {entry["label"]: entry["score"] for entry in result["scores"]}
    assert status == 200
    assert [scores["negative"], scores["positive"]] == pytest.approx(expected, abs=1e-6)
    assert result["score"] == max(scores.values()) == result["scores"][0]["score"]


async def test_more_texts_than_one_batch_give_the_same_scores_as_alone(classifier: Server):
    texts = [f"{'good ' * (index % 5)}bad film" for index in range(70)]
    _, together = await classifier.post("/v1/classify", {"input": texts})
    _, alone = await classifier.post("/v1/classify", {"input": texts[69]})
    assert len(together["results"]) == 70
    assert together["results"][69]["score"] == pytest.approx(alone["results"][0]["score"], abs=1e-5)


async def test_top_k_keeps_the_best_labels(classifier: Server):
    _, body = await classifier.post("/v1/classify", {"input": "good fun", "top_k": 1})
    assert [entry["label"] for entry in body["results"][0]["scores"]] == ["positive"]


async def test_long_text_is_cut_at_the_models_limit_and_says_so(classifier: Server):
    status, body = await classifier.post("/v1/classify", {"input": ["good " * 500, "good fun"]})
    assert status == 200
    assert [result["truncated"] for result in body["results"]] == [True, False]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, ["input", "Field required"]),
        ({"input": 5}, 400, ["input", "valid list", "5"]),
        ({"input": []}, 400, ["input", "at least 1"]),
        ({"input": ["good", ""]}, 400, ["input.1", "at least 1 character"]),
        ({"input": ["x"] * 257}, 400, ["input", "at most 256"]),
        ({"input": "good", "top_k": 0}, 400, ["top_k", "greater than or equal to 1", "found 0"]),
        ({"input": "good", "topk": 1}, 400, ["topk", "does not know"]),
        ({"input": "good", "model": "other"}, 404, ["'other' does not exist", "'classifier'"]),
        (["good"], 400, ["must be a JSON object"]),
    ],
)
async def test_wrong_input_is_refused_in_words(classifier: Server, body: Any, status: int, words: list[str]):
    found, answer = await classifier.post("/v1/classify", body)
    assert found == status
    assert all(word in answer["error"]["message"] for word in words), answer
    assert answer["error"]["type"] == "invalid_request_error"


async def test_a_classifier_says_where_to_go_when_asked_to_complete(classifier: Server):
    status, body = await classifier.post("/v1/completions", {"prompt": "good"})
    assert status == 400
    assert "/v1/classify" in body["error"]["message"]
