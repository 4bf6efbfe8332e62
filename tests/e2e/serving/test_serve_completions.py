"""POST /v1/completions and /v1/chat/completions, against a real server of a real model."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.e2e.serving.server_process import Server
from tests.e2e.serving.tiny_models import ANSWER, CONTEXT_TOKENS, QUESTION, STORY

PROMPT = STORY[: STORY.index(" four")]
REST = STORY[len(PROMPT) :]
STORY_BODY = {"model": "chat", "prompt": PROMPT, "max_tokens": 60, "temperature": 0}
CHAT_BODY = {"model": "chat", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0}


def _texts(chunks: list[dict[str, Any]], key: str) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    if key == "delta":
        return "".join(choice["delta"].get("content", "") for choice in choices)
    return "".join(choice["text"] for choice in choices)


async def test_greedy_completion_is_what_the_library_generates(chat: Server, models: Path):
    status, body = await chat.post("/v1/completions", STORY_BODY)
    model = AutoModelForCausalLM.from_pretrained(models / "chat")
    tokenizer = AutoTokenizer.from_pretrained(models / "chat")
    tokens = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        generated = model.generate(tokens, max_new_tokens=60, do_sample=False)[0, tokens.shape[1] :]
    assert status == 200
    assert body["choices"][0]["text"] == tokenizer.decode(generated, skip_special_tokens=True) == REST
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["prompt_tokens"] == tokens.shape[1]
    assert body["usage"]["completion_tokens"] == len(generated)
    assert body["object"] == "text_completion"


async def test_streamed_completion_is_the_same_text(chat: Server):
    chunks = await chat.stream("/v1/completions", {**STORY_BODY, "stream_options": {"include_usage": True}})
    _, whole = await chat.post("/v1/completions", STORY_BODY)
    assert _texts(chunks, "text") == whole["choices"][0]["text"]
    assert chunks[-1]["usage"] == whole["usage"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert len(chunks) > 5


async def test_chat_answers_as_it_was_taught_with_characters_of_many_tokens(chat: Server):
    status, whole = await chat.post("/v1/chat/completions", CHAT_BODY)
    chunks = await chat.stream("/v1/chat/completions", CHAT_BODY)
    assert status == 200
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": ANSWER}
    assert _texts(chunks, "delta") == ANSWER
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1


async def test_content_parts_and_the_developer_role_are_understood(chat: Server):
    body = {**CHAT_BODY, "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]}
    _, answer = await chat.post("/v1/chat/completions", body)
    messages = [{"role": "developer", "content": "Be brief."}, *CHAT_BODY["messages"]]
    status, _ = await chat.post("/v1/chat/completions", {**CHAT_BODY, "messages": messages})
    assert answer["choices"][0]["message"]["content"] == ANSWER
    assert status == 200


@pytest.mark.parametrize("stop", ["seven", ["never said", "even ei"], "seven eight"])
async def test_text_ends_before_the_first_stop_string(chat: Server, stop: str | list[str]):
    first = min(REST.find(text) for text in ([stop] if isinstance(stop, str) else stop) if text in REST)
    _, whole = await chat.post("/v1/completions", {**STORY_BODY, "stop": stop})
    chunks = await chat.stream("/v1/completions", {**STORY_BODY, "stop": stop})
    assert whole["choices"][0]["text"] == _texts(chunks, "text") == REST[:first]
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"]["completion_tokens"] < 15


async def test_max_tokens_ends_the_text_and_says_so(chat: Server):
    _, body = await chat.post("/v1/completions", {**STORY_BODY, "max_tokens": 2})
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 2
    _, renamed = await chat.post("/v1/chat/completions", {**CHAT_BODY, "max_completion_tokens": 3})
    assert renamed["usage"]["completion_tokens"] == 3


async def test_each_prompt_gets_its_choice(chat: Server):
    body = {**STORY_BODY, "prompt": [PROMPT, f"{PROMPT} four"]}
    _, whole = await chat.post("/v1/completions", body)
    chunks = await chat.stream("/v1/completions", body)
    assert [choice["text"] for choice in whole["choices"]] == [REST, REST.removeprefix(" four")]
    for index in (0, 1):
        own = [{"choices": [choice for choice in chunk["choices"] if choice["index"] == index]} for chunk in chunks]
        assert _texts(own, "text") == whole["choices"][index]["text"]


async def test_seed_repeats_a_draw_even_while_others_draw(chat: Server):
    def body(seed: int | None):
        return {**STORY_BODY, "temperature": 2, "seed": seed, "max_tokens": 24}

    answers = await asyncio.gather(*(chat.post("/v1/completions", body(seed)) for seed in (7, 8, 7, None)))
    texts = [answer["choices"][0]["text"] for _, answer in answers]
    assert texts[0] == texts[2]
    assert texts[0] != texts[1]


async def test_a_short_request_does_not_wait_for_a_long_one(chat: Server):
    before = await chat.metric("finetune_server_prompt_tokens_total")
    long = asyncio.create_task(chat.post("/v1/completions", {**STORY_BODY, "prompt": [PROMPT] * 30}))
    while await chat.metric("finetune_server_prompt_tokens_total") == before:
        await asyncio.sleep(0.01)
    status, _ = await chat.post("/v1/completions", {**STORY_BODY, "max_tokens": 1})
    assert status == 200
    assert not long.done()
    assert (await long)[0] == 200


async def test_tokens_are_counted(chat: Server):
    before = await chat.metric("finetune_server_generated_tokens_total")
    _, body = await chat.post("/v1/completions", STORY_BODY)
    after = await chat.metric("finetune_server_generated_tokens_total")
    assert after - before == body["usage"]["completion_tokens"]
    route = {"code": "200", "route": "/v1/completions"}
    requests = await chat.metric("finetune_server_requests_total", **route)
    assert requests >= 1
    first = await chat.metric("finetune_server_time_to_first_token_seconds_count", route=route["route"])
    assert 1 <= first <= requests
    whole = await chat.metric("finetune_server_request_duration_seconds_sum", route=route["route"])
    assert 0 < await chat.metric("finetune_server_time_to_first_token_seconds_sum", route=route["route"]) < whole
    assert await chat.metric("finetune_server_batch_size_sum") >= first
    assert await chat.metric("finetune_server_model_info", digest=chat.digest, name="chat", run="") == 1


async def test_models_are_listed(chat: Server):
    listed, one = await chat.get("/v1/models"), await chat.get("/v1/models/chat")
    assert listed == {"object": "list", "data": [one]}
    assert (one["id"], one["digest"]) == ("chat", chat.digest)
    status, body = await chat.post("/v1/models", {})
    assert (status, body["error"]["message"]) == (405, "/v1/models takes GET, HEAD, not POST")


@pytest.mark.parametrize(
    ("path", "changes", "status", "words"),
    [
        ("completions", {"prompt": None}, 400, ["prompt", "Field required"]),
        ("completions", {"prompt": [1, 2]}, 400, ["prompt.0", "valid string", "found 1"]),
        ("completions", {"temperature": 3}, 400, ["temperature", "less than or equal to 2", "found 3"]),
        ("completions", {"temperature": "0"}, 400, ["temperature", "valid number", "found '0'"]),
        ("completions", {"top_p": 0}, 400, ["top_p", "greater than 0"]),
        ("completions", {"n": 2}, 400, ["n:", "1", "found 2"]),
        ("completions", {"max_tokens": 0}, 400, ["max_tokens", "greater than or equal to 1"]),
        ("completions", {"stop": ["a"] * 5}, 400, ["stop", "at most 4"]),
        ("completions", {"logit_bias": {}}, 400, ["logit_bias", "does not know"]),
        ("completions", {"model": "gpt"}, 404, ["'gpt' does not exist", "'chat'"]),
        ("completions", {"max_tokens": 300}, 400, [f"maximum context length is {CONTEXT_TOKENS} tokens", "304"]),
        ("completions", {"prompt": "word " * 999}, 400, ["maximum context length", "in the prompt"]),
        ("chat/completions", {"messages": []}, 400, ["messages", "at least 1"]),
        ("chat/completions", {"messages": [{"role": "cat", "content": "?"}]}, 400, ["messages.0.role", "'cat'"]),
        ("chat/completions", {"messages": [{"role": "user"}]}, 400, ["messages.0.content", "required"]),
        (
            "chat/completions",
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            ["messages.0.content", "list of", "image_url"],
        ),
        ("chat/completions", {"messages": [{"role": "user", "content": "a " * 999}]}, 400, ["maximum context length"]),
    ],
)
async def test_wrong_requests_are_refused_in_words(
    chat: Server, path: str, changes: dict[str, Any], status: int, words: list[str]
):
    base = STORY_BODY if path == "completions" else CHAT_BODY
    found, answer = await chat.post(f"/v1/{path}", {**base, **changes})
    assert found == status, answer
    assert all(word in answer["error"]["message"] for word in words), answer
    assert set(answer["error"]) == {"message", "type", "param", "code"}


async def test_null_means_the_default(chat: Server):
    status, body = await chat.post("/v1/completions", {**STORY_BODY, "stop": None, "seed": None, "top_p": None})
    assert (status, body["choices"][0]["text"]) == (200, REST)
