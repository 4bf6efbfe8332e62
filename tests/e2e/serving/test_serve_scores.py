"""POST /v1/score, answered by a real reward model."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import torch
from aiohttp.test_utils import TestClient
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.e2e.serving.answering import answering
from tests.e2e.serving.tiny_models import ASSISTANT, END, USER, publish_reward_model

CHAT = [{"role": "user", "content": "good"}, {"role": "assistant", "content": "film"}]
SPELLED = f"{USER}good{END}{ASSISTANT}film{END}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published reward model."""
    folder = tmp_path_factory.mktemp("served") / "reward"
    publish_reward_model(folder)
    return folder


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of the application that serves it."""
    async with answering(folder) as client:
        yield client


async def _post(client: TestClient[Any, Any], path: str, body: Any) -> tuple[int, Any]:
    async with client.post(path, json=body) as response:
        return response.status, await response.json()


async def test_texts_and_chats_get_the_reward_of_the_published_model(client: TestClient[Any, Any], folder: Path):
    status, body = await _post(client, "/v1/score", {"input": ["good film", CHAT, "bad"]})
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        expected = [
            model(**tokenizer(text, return_tensors="pt")).logits.item()
            for text in (f"good film{END}", SPELLED, f"bad{END}")
        ]
    assert status == 200
    assert [result["score"] for result in body["results"]] == pytest.approx(expected, abs=1e-5)
    assert len(set(expected)) == 3
    assert body["model"] == "reward"


async def test_one_text_or_one_chat_needs_no_list_around_it(client: TestClient[Any, Any]):
    _, together = await _post(client, "/v1/score", {"input": [CHAT, "bad"]})
    for index, alone in enumerate((CHAT, "bad")):
        _, body = await _post(client, "/v1/score", {"input": alone})
        expected = pytest.approx(together["results"][index]["score"], abs=1e-5)
        assert [result["score"] for result in body["results"]] == [expected]


async def test_long_text_is_cut_before_its_end_and_says_so(client: TestClient[Any, Any]):
    _, body = await _post(client, "/v1/score", {"input": ["good " * 50, "good"]})
    assert [result["truncated"] for result in body["results"]] == [True, False]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/classify", {"input": "good"}, ["'reward' is a reward model; use /v1/score"]),
        ("/v1/completions", {"prompt": "good"}, ["use /v1/score"]),
        ("/v1/score", {"input": []}, ["input", "at least 1"]),
        ("/v1/score", {"input": [[{"role": "human", "content": "x"}]]}, ["input.0", "role"]),
        ("/v1/score", {"input": "good", "top_k": 1}, ["top_k", "does not know"]),
    ],
)
async def test_wrong_requests_are_refused_in_words(
    client: TestClient[Any, Any], path: str, body: Any, words: list[str]
):
    status, answer = await _post(client, path, body)
    assert status == 400
    assert all(word in answer["error"]["message"] for word in words), answer
