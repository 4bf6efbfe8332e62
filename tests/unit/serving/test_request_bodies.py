"""Which bodies are understood, and how a refusal reads."""

from typing import Any

import pytest
from pydantic import ValidationError

from finetune_trainer.serving.api.requests import ChatRequest, ClassifyRequest, CompletionRequest, RequestBody
from finetune_trainer.serving.errors import FOUND_LIMIT, from_validation

MESSAGES = [{"role": "user", "content": "Hi"}]


def _refusal(kind: type[RequestBody], body: Any) -> dict[str, Any]:
    with pytest.raises(ValidationError) as refused:
        kind.model_validate(body)
    answer: dict[str, Any] = from_validation(refused.value).body()["error"]
    return answer


def test_one_text_is_a_list_of_one():
    assert ClassifyRequest.model_validate({"input": "good"}).input == ["good"]
    assert CompletionRequest.model_validate({"prompt": "One", "stop": "."}).stop == ["."]


def test_what_openais_clients_send_by_default_is_accepted():
    body = {
        "model": "m",
        "messages": MESSAGES,
        "n": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "user": "me",
        "logprobs": False,
        "stop": None,
        "max_tokens": None,
        "stream_options": {"include_usage": True},
    }
    request = ChatRequest.model_validate(body)
    assert (request.temperature, request.token_limit, request.stop) == (1.0, None, [])


def test_the_newer_name_of_the_limit_wins():
    assert (
        ChatRequest.model_validate({"messages": MESSAGES, "max_tokens": 5, "max_completion_tokens": 7}).token_limit == 7
    )


@pytest.mark.parametrize(
    ("changes", "param", "found"),
    [
        ({"presence_penalty": 0.5}, "presence_penalty", "found 0.5"),
        ({"best_of": 3}, "best_of", "found 3"),
        ({"echo": True}, "echo", "found True"),
        ({"stream": "yes"}, "stream", "found 'yes'"),
        ({"stream_options": {"usage": True}}, "stream_options.usage", "does not know"),
    ],
)
def test_what_would_change_the_answer_is_refused(changes: dict[str, Any], param: str, found: str):
    error = _refusal(CompletionRequest, {"prompt": "One", **changes})
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert error["message"].startswith(f"{param}: ")
    assert found in error["message"]


def test_a_refusal_does_not_repeat_a_long_text():
    error = _refusal(ClassifyRequest, {"input": {"text": "secret " * 1000}})
    assert len(error["message"]) < FOUND_LIMIT + 100
