"""The bodies of requests. Fields that would change the answer and that this server cannot honour are refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MAX_INPUTS = 256
MAX_PROMPTS = 32
MAX_STOPS = 4


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_inputs(value: Any) -> Any:
    """Make a list of one text, or of the messages of one chat."""
    one = isinstance(value, str) or (isinstance(value, list) and any(isinstance(part, dict) for part in value))
    return [value] if one else value


def _joined_parts(value: Any) -> Any:
    """Join OpenAI's content parts; only text can be read."""
    if not isinstance(value, list):
        return value
    texts: list[Any] = [part.get("text") for part in value if isinstance(part, dict) and part.get("type") == "text"]
    if len(texts) != len(value) or not all(isinstance(text, str) for text in texts):
        raise ValueError('must be a string or a list of {"type": "text", "text": "…"}')
    return "".join(texts)


Text = Annotated[str, Field(min_length=1)]
Neutral = Annotated[float, Field(ge=0, le=0)]


class RequestBody(BaseModel):
    """Base of all bodies: exact JSON types, unknown fields refused, null the same as absent."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError("the body must be a JSON object")
        return {key: value for key, value in data.items() if value is not None}


class ClassifyRequest(RequestBody):
    """POST /v1/classify. `top_k` cuts each list of scores to the k best labels."""

    input: Annotated[list[Text], BeforeValidator(_as_list), Field(min_length=1, max_length=MAX_INPUTS)]
    top_k: int | None = Field(None, ge=1)


class ChatMessage(BaseModel):
    """One message. OpenAI's newer role `developer` is what templates know as `system`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_joined_parts)]
    name: str | None = Field(None, description="Accepted and not used.")

    def for_template(self) -> dict[str, str]:
        """Return the message as chat templates expect it."""
        return {"role": "system" if self.role == "developer" else self.role, "content": self.content}


Chat = Annotated[list[ChatMessage], Field(min_length=1)]


class ScoreRequest(RequestBody):
    """POST /v1/score: texts, each a prompt with its answer, or chats, or one of either."""

    input: Annotated[list[Text | Chat], BeforeValidator(_as_inputs), Field(min_length=1, max_length=MAX_INPUTS)]


class StreamOptions(BaseModel):
    """Whether the last chunk of a stream carries the usage."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    include_usage: bool = False


class GenerationRequest(RequestBody):
    """What completions and chat completions have in common; defaults are OpenAI's."""

    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    stop: Annotated[list[Text], BeforeValidator(_as_list), Field(max_length=MAX_STOPS)] = []
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    n: Literal[1] = 1
    presence_penalty: Neutral = 0.0
    frequency_penalty: Neutral = 0.0
    user: str | None = Field(None, description="Accepted and not used.")


class CompletionRequest(GenerationRequest):
    """POST /v1/completions."""

    prompt: Annotated[list[Text], BeforeValidator(_as_list), Field(min_length=1, max_length=MAX_PROMPTS)]
    max_tokens: int = Field(16, ge=1)
    best_of: Literal[1] = 1
    echo: Literal[False] = False


class ChatRequest(GenerationRequest):
    """POST /v1/chat/completions. Without a limit the answer may fill the rest of the context."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: Literal[False] = False

    @property
    def token_limit(self) -> int | None:
        """Return the asked-for length of the answer, under its new name or its old."""
        return self.max_completion_tokens or self.max_tokens
