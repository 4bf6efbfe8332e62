"""Around every route: figures, one log line, and errors in OpenAI's shape."""

import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from finetune_trainer.serving.api.metrics import ServingMetrics
from finetune_trainer.serving.api.state import RETRY_AFTER_SECONDS
from finetune_trainer.serving.errors import ApiError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUIET_ROUTES = ("/healthz", "/metrics")
CLIENT_CLOSED_REQUEST = 499

log = logging.getLogger(__name__)


def measured(metrics: ServingMetrics) -> Middleware:
    """Return a middleware that counts and times requests by route; looks at the server itself are no requests to it.

    Their content is never logged.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "unknown"
        started = time.monotonic()
        code = CLIENT_CLOSED_REQUEST
        try:
            with metrics.in_flight.track_inprogress():
                response = await handler(request)
            code = response.status
            return response
        finally:
            seconds = time.monotonic() - started
            if route not in QUIET_ROUTES:
                metrics.requests.labels(route, code).inc()
                metrics.latency.labels(route).observe(seconds)
                metrics.cancelled.inc(int(code == CLIENT_CLOSED_REQUEST))
                log.info("%s %s %s in %.3f s", request.method, route, code, seconds)

    return middleware


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every refusal and every bug with a JSON body."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(error)
    except web.HTTPException as error:
        return error_response(_from_http(request, error))
    except ConnectionResetError:  # The client left while it was written to: nobody will read this.
        return web.Response(status=CLIENT_CLOSED_REQUEST)
    except Exception:
        log.exception("%s failed", request.path)
        return error_response(internal_error())


def error_response(error: ApiError) -> web.Response:
    """Return the response that tells `error`."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status in (429, 503) else {}
    return web.json_response(error.body(), status=error.status, headers=headers)


def internal_error() -> ApiError:
    """Return what a client is told of a bug: that it happened, and where to look."""
    return ApiError(500, "the server failed; its log says why", code="internal_error")


def _from_http(request: web.Request, error: web.HTTPException) -> ApiError:
    message = error.reason
    if isinstance(error, web.HTTPNotFound):
        message = f"there is no {request.path}; see GET /v1/models"
    elif isinstance(error, web.HTTPMethodNotAllowed):
        message = f"{request.path} takes {', '.join(sorted(error.allowed_methods))}, not {error.method}"
    elif isinstance(error, web.HTTPRequestEntityTooLarge):
        message = f"the body is larger than {request.client_max_size} bytes; send less text at once"
    return ApiError(error.status, message)
