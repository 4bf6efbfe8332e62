"""POST /v1/completions and /v1/chat/completions, as OpenAI's clients speak them."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from finetune_trainer.serving.api.body import STATE, read_body
from finetune_trainer.serving.api.middleware import internal_error
from finetune_trainer.serving.api.replies import ChatReply, CompletionReply, Reply, usage
from finetune_trainer.serving.api.requests import ChatRequest, CompletionRequest, GenerationRequest
from finetune_trainer.serving.api.state import ServerState
from finetune_trainer.serving.engines.workers import Emit, Work
from finetune_trainer.serving.errors import wrong_route

if TYPE_CHECKING:
    from finetune_trainer.serving.engines.language import LanguageModel, Outcome

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Piece:
    """Text that was added to the choice `index`."""

    index: int
    text: str


@dataclass(frozen=True)
class Finished:
    """The choice `index` is complete."""

    index: int
    outcome: "Outcome"


@dataclass(frozen=True)
class Prompt:
    """Tokens to continue, and how many tokens may follow."""

    token_ids: list[int]
    max_tokens: int


async def completions(request: web.Request) -> web.StreamResponse:
    """Continue each prompt."""
    body = await read_body(request, CompletionRequest)
    model = _language_model(request.app[STATE], body)

    def encode(prompt: str) -> Prompt:
        token_ids = model.encode_prompt(prompt)
        return Prompt(token_ids, model.room(len(token_ids), body.max_tokens, "prompt"))

    prompts = await asyncio.to_thread(lambda: [encode(prompt) for prompt in body.prompt])
    return await _answer(request, model, body, prompts, CompletionReply(request.app[STATE].name))


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Answer the last message of a conversation."""
    body = await read_body(request, ChatRequest)
    model = _language_model(request.app[STATE], body)
    messages = [message.for_template() for message in body.messages]
    token_ids = await asyncio.to_thread(model.encode_chat, messages)
    prompt = Prompt(token_ids, model.room(len(token_ids), body.token_limit, "messages"))
    return await _answer(request, model, body, [prompt], ChatReply(request.app[STATE].name))


def _language_model(state: ServerState, body: GenerationRequest) -> "LanguageModel":
    model = state.served_model(body.model)
    if not hasattr(model, "generate"):
        raise wrong_route(state.name, model)
    return cast("LanguageModel", model)


async def _answer(
    request: web.Request, model: "LanguageModel", body: GenerationRequest, prompts: list[Prompt], reply: Reply
) -> web.StreamResponse:
    state, started = request.app[STATE], time.monotonic()
    prompt_tokens = sum(len(prompt.token_ids) for prompt in prompts)
    with state.workers.start(_generation(model, body, prompts)) as results:
        state.metrics.prompt_tokens.inc(prompt_tokens)
        state.metrics.batch_size.observe(len(prompts))
        counted = _counted(state, results, request.path, started)
        if body.stream:
            return await _stream(request, body, counted, reply, prompt_tokens)
        return await _collect(counted, reply, len(prompts), prompt_tokens)


def _generation(model: "LanguageModel", body: GenerationRequest, prompts: list[Prompt]) -> Work:
    from finetune_trainer.serving.engines.sampling import Sampling  # imports torch, which the loaded model has done

    def work(emit: Emit, cancelled: threading.Event) -> None:
        for index, prompt in enumerate(prompts):
            if cancelled.is_set():
                return
            sampling = Sampling(prompt.max_tokens, body.temperature, body.top_p, tuple(body.stop), body.seed)
            outcome = model.generate(prompt.token_ids, sampling, partial(_emit_piece, emit, index), cancelled)
            emit(Finished(index, outcome))

    return work


def _emit_piece(emit: Emit, index: int, text: str) -> None:
    emit(Piece(index, text))


async def _counted(
    state: ServerState, results: AsyncIterator[Piece | Finished], route: str, started: float
) -> AsyncIterator[Piece | Finished]:
    is_first = True
    async for result in results:
        if is_first:
            state.metrics.first_token.labels(route).observe(time.monotonic() - started)
            is_first = False
        if isinstance(result, Finished):
            state.metrics.generated_tokens.inc(result.outcome.completion_tokens)
        yield result


async def _collect(
    results: AsyncIterator[Piece | Finished], reply: Reply, choices: int, prompt_tokens: int
) -> web.Response:
    texts, reasons, completion_tokens = [""] * choices, [""] * choices, 0
    async for result in results:
        if isinstance(result, Piece):
            texts[result.index] += result.text
        else:
            reasons[result.index] = result.outcome.finish_reason
            completion_tokens += result.outcome.completion_tokens
    return web.json_response(reply.whole(texts, reasons, usage(prompt_tokens, completion_tokens)))


async def _stream(
    request: web.Request,
    body: GenerationRequest,
    results: AsyncIterator[Piece | Finished],
    reply: Reply,
    prompt_tokens: int,
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    try:
        async for event in _events(body, results, reply, prompt_tokens):
            await _send(response, event)
    except ConnectionResetError:
        raise
    except Exception:  # The status is sent; the error can only be told in the stream.
        log.exception("%s failed while streaming", request.path)
        await _send(response, internal_error().body())
        return response
    await response.write(b"data: [DONE]\n\n")
    return response


async def _events(
    body: GenerationRequest, results: AsyncIterator[Piece | Finished], reply: Reply, prompt_tokens: int
) -> AsyncIterator[dict[str, Any]]:
    for opening in reply.opening():
        yield opening
    completion_tokens = 0
    async for result in results:
        if isinstance(result, Piece):
            yield reply.chunk(result.index, result.text)
        else:
            completion_tokens += result.outcome.completion_tokens
            yield reply.chunk(result.index, "", result.outcome.finish_reason)
    if body.stream_options.include_usage:
        yield reply.usage_chunk(usage(prompt_tokens, completion_tokens))


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
