"""POST /v1/score."""

import threading
from typing import cast

from aiohttp import web

from finetune_trainer.serving.api.body import STATE, read_body
from finetune_trainer.serving.api.requests import ScoreRequest
from finetune_trainer.serving.engines.workers import Emit
from finetune_trainer.serving.errors import wrong_route
from finetune_trainer.tasks.chats.prompts import Turns


async def score(request: web.Request) -> web.Response:
    """Answer with a reward for each input, in the order of the inputs."""
    state = request.app[STATE]
    body = await read_body(request, ScoreRequest)
    model = state.served_model(body.model)
    if not hasattr(model, "score"):
        raise wrong_route(state.name, model)
    texts = [text if isinstance(text, str) else [message.for_template() for message in text] for text in body.input]

    state.metrics.batch_size.observe(len(texts))

    def work(emit: Emit, cancelled: threading.Event) -> None:
        for result in model.score(cast("list[Turns]", texts), cancelled):
            emit(result)

    with state.workers.start(work) as results:
        answers = [result async for result in results]
    state.metrics.scored.inc(len(answers))
    return web.json_response({"model": state.name, "digest": state.digest, "results": answers})
