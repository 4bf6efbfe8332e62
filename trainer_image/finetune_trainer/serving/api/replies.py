"""OpenAI's response bodies, whole and in chunks, for both of its text endpoints."""

import time
import uuid
from abc import ABC, abstractmethod
from typing import Any


class Reply(ABC):
    """Builds the bodies for one request; every body carries the same id."""

    object: str
    chunk_object: str
    id_prefix: str

    def __init__(self, model: str) -> None:
        self._base = {"id": f"{self.id_prefix}-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, texts: list[str], reasons: list[str], usage: dict[str, int]) -> dict[str, Any]:
        """Return the body of an answer that is not streamed."""
        choices = [
            {"index": index, **self._content(text), "logprobs": None, "finish_reason": reason}
            for index, (text, reason) in enumerate(zip(texts, reasons, strict=True))
        ]
        return {**self._base, "object": self.object, "choices": choices, "usage": usage}

    def chunk(self, index: int, text: str, finish_reason: str | None = None) -> dict[str, Any]:
        """Return one chunk of a stream; the last one of a choice has a reason and no text."""
        choice = {"index": index, **self._delta(text), "logprobs": None, "finish_reason": finish_reason}
        return {**self._base, "object": self.chunk_object, "choices": [choice]}

    def usage_chunk(self, usage: dict[str, int]) -> dict[str, Any]:
        """Return the chunk that ends a stream whose client asked for the usage."""
        return {**self._base, "object": self.chunk_object, "choices": [], "usage": usage}

    def opening(self) -> list[dict[str, Any]]:
        """Return the chunks that come before any text."""
        return []

    @abstractmethod
    def _content(self, text: str) -> dict[str, Any]: ...

    @abstractmethod
    def _delta(self, text: str) -> dict[str, Any]: ...


class CompletionReply(Reply):
    """/v1/completions."""

    object = chunk_object = "text_completion"
    id_prefix = "cmpl"

    def _content(self, text: str) -> dict[str, Any]:
        return {"text": text}

    _delta = _content


class ChatReply(Reply):
    """/v1/chat/completions."""

    object = "chat.completion"
    chunk_object = "chat.completion.chunk"
    id_prefix = "chatcmpl"

    def opening(self) -> list[dict[str, Any]]:
        """Return the chunk that names the speaker."""
        first = self.chunk(0, "")
        first["choices"][0]["delta"] = {"role": "assistant", "content": ""}
        return [first]

    def _content(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}}

    def _delta(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text} if text else {}}


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return the token counts as OpenAI names them."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
