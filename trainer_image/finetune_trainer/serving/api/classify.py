"""POST /v1/classify."""

import threading

from aiohttp import web

from finetune_trainer.serving.api.body import STATE, read_body
from finetune_trainer.serving.api.requests import ClassifyRequest
from finetune_trainer.serving.engines.workers import Emit
from finetune_trainer.serving.errors import wrong_route


async def classify(request: web.Request) -> web.Response:
    """Answer with labels and probabilities, entities, or a number for each input, in the order of the inputs."""
    state = request.app[STATE]
    body = await read_body(request, ClassifyRequest)
    model = state.served_model(body.model)
    if not hasattr(model, "classify"):
        raise wrong_route(state.name, model)

    state.metrics.batch_size.observe(len(body.input))

    def work(emit: Emit, cancelled: threading.Event) -> None:
        for result in model.classify(body.input, body.top_k, cancelled):
            emit(result)

    with state.workers.start(work) as results:
        answers = [result async for result in results]
    state.metrics.classified.inc(len(answers))
    return web.json_response({"model": state.name, "digest": state.digest, "results": answers})
