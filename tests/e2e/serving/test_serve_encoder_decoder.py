"""POST /v1/completions, answered by a real encoder-decoder."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from tests.e2e.serving.answering import answering
from tests.e2e.serving.tiny_models import HEADLINES, PREFIX, publish_encoder_decoder

NOTICE = next(iter(HEADLINES))


@pytest.fixture(scope="module", params=[1, 3], ids=["greedy", "beams"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published model with so many beams."""
    folder = tmp_path_factory.mktemp("served") / "headlines"
    publish_encoder_decoder(folder, request.param)
    return folder


async def _post(client: TestClient[Any, Any], path: str, body: Any) -> tuple[int, Any]:
    async with client.post(path, json=body) as response:
        return response.status, await response.json()


async def test_writes_what_the_library_writes_as_a_whole_and_streamed(folder: Path):
    body = {"prompt": [*HEADLINES, "The bus will rain."], "max_tokens": 24, "temperature": 0}
    async with answering(folder) as client:
        status, whole = await _post(client, "/v1/completions", body)
        async with client.post("/v1/completions", json={**body, "prompt": NOTICE, "stream": True}) as response:
            events = (await response.text()).strip().split("\n\n")
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    expected = [
        tokenizer.decode(model.generate(**tokenizer(PREFIX + prompt, return_tensors="pt"))[0], skip_special_tokens=True)
        for prompt in body["prompt"]
    ]
    assert status == 200
    assert [choice["text"] for choice in whole["choices"]] == expected
    assert expected[:3] == list(HEADLINES.values())
    assert [choice["finish_reason"] for choice in whole["choices"]][:3] == ["stop"] * 3
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == expected[0]
    assert events[-1] == "data: [DONE]"


async def test_limits_stops_and_seeds_hold(folder: Path):
    async with answering(folder) as client:
        _, short = await _post(client, "/v1/completions", {"prompt": NOTICE, "max_tokens": 2, "temperature": 0})
        _, stopped = await _post(
            client, "/v1/completions", {"prompt": NOTICE, "max_tokens": 24, "temperature": 0, "stop": " comes"}
        )
        drawn = {"prompt": NOTICE, "max_tokens": 24, "temperature": 2, "seed": 1}
        answers = [(await _post(client, "/v1/completions", drawn))[1]["choices"] for _ in range(2)]
        too_long, refused = await _post(client, "/v1/completions", {"prompt": "one " * 60, "max_tokens": 5})
        status, chat = await _post(client, "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
    assert (short["choices"][0]["finish_reason"], short["usage"]["completion_tokens"]) == ("length", 2)
    assert stopped["choices"][0]["text"] == HEADLINES[NOTICE].removesuffix(" comes")
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert answers[0] == answers[1]
    assert (too_long, refused["error"]["code"]) == (400, "context_length_exceeded")
    assert "reads at most 48" in refused["error"]["message"]
    assert (status, "use /v1/completions" in chat["error"]["message"]) == (400, True)
