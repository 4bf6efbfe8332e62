"""What a client is told when a request cannot be answered, in OpenAI's shape."""

from typing import Any

from pydantic import ValidationError

FOUND_LIMIT = 80


class ApiError(Exception):
    """A refusal: `status` is the HTTP status, `param` the field of the request that is to be mended."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    @property
    def type(self) -> str:
        """Return OpenAI's name for the class of error."""
        if self.status == 429:
            return "rate_limit_error"
        return "invalid_request_error" if self.status < 500 else "server_error"

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def wrong_route(name: str, model: Any) -> ApiError:
    """Return the refusal of a request that this kind of model cannot answer; it names the route to use."""
    return ApiError(400, f"{name!r} is {model.described}", "model")


def no_ranking() -> ApiError:
    """Return the refusal of `top_k` by a model whose answers are not ranked labels."""
    return ApiError(400, "top_k: this model ranks no labels; leave it out", "top_k")


def from_validation(error: ValidationError) -> ApiError:
    """Turn the first finding of a request model into a refusal that names field, what was found and expected."""
    finding = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in finding["loc"]) or None
    if finding["type"] == "extra_forbidden":
        return ApiError(400, f"{field}: this server does not know the field; remove it", field, "unknown_parameter")
    message = finding["msg"].removeprefix("Value error, ")
    if finding["type"] != "missing":
        message += f"; found {_shortened(finding['input'])}"
    return ApiError(400, f"{field}: {message}" if field else message, field, "invalid_value")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= FOUND_LIMIT else f"{text[:FOUND_LIMIT]}…"
