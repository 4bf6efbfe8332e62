"""Where routes find what they share, and how they read a body."""

import asyncio
import json
from typing import TypeVar

from aiohttp import web
from pydantic import ValidationError

from finetune_trainer.serving.api.requests import RequestBody
from finetune_trainer.serving.api.state import ServerState
from finetune_trainer.serving.errors import ApiError, from_validation

STATE = web.AppKey("state", ServerState)
BODY_TIMEOUT_SECONDS = 30

BodyT = TypeVar("BodyT", bound=RequestBody)


async def read_body(request: web.Request, kind: type[BodyT]) -> BodyT:
    """Read and check the JSON body. Raises ApiError 400 naming the field, or 408 if it does not arrive."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            raw = await request.read()
    except TimeoutError as error:
        raise ApiError(408, f"the body did not arrive within {BODY_TIMEOUT_SECONDS} s") from error
    try:
        return kind.model_validate(json.loads(raw))
    except ValidationError as error:
        raise from_validation(error) from error
    except ValueError as error:
        raise ApiError(400, f"the body is not JSON: {error}") from error
