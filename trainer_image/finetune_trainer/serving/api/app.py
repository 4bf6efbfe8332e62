"""The routes."""

from aiohttp import web

from finetune_trainer.serving.api.body import STATE
from finetune_trainer.serving.api.classify import classify
from finetune_trainer.serving.api.completions import chat_completions, completions
from finetune_trainer.serving.api.middleware import errors_as_json, measured
from finetune_trainer.serving.api.score import score
from finetune_trainer.serving.api.state import ServerState


def build_app(state: ServerState, max_body_bytes: int) -> web.Application:
    """Return the application that answers from `state`."""
    app = web.Application(client_max_size=max_body_bytes, middlewares=[measured(state.metrics), errors_as_json])
    app[STATE] = state
    app.add_routes(
        [
            web.get("/healthz", _healthz),
            web.get("/metrics", _metrics),
            web.get("/v1/models", _models),
            web.get("/v1/models/{model}", _model),
            web.post("/v1/classify", classify),
            web.post("/v1/score", score),
            web.post("/v1/completions", completions),
            web.post("/v1/chat/completions", chat_completions),
        ]
    )
    return app


async def _healthz(request: web.Request) -> web.Response:
    state = request.app[STATE]
    if state.not_ready:
        return web.json_response({"status": "not ready", "reason": state.not_ready}, status=503)
    return web.json_response({"status": "ready", "model": state.name, "digest": state.digest})


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=request.app[STATE].metrics.render(), content_type="text/plain", charset="utf-8")


async def _models(request: web.Request) -> web.Response:
    state = request.app[STATE]
    state.served_model(None)
    return web.json_response({"object": "list", "data": [_describe(state)]})


async def _model(request: web.Request) -> web.Response:
    state = request.app[STATE]
    state.served_model(request.match_info["model"])
    return web.json_response(_describe(state))


def _describe(state: ServerState) -> dict[str, object]:
    return {
        "id": state.name,
        "object": "model",
        "created": state.created,
        "owned_by": "finetune.dev",
        "digest": state.digest,
    }
