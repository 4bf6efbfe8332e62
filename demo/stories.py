"""An example that runs by itself: the manifest, the inputs it needs, and questions for the served model."""

from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


class BaseModelKind(StrEnum):
    """Where the small base model comes from."""

    MINI_LM = "MiniLM"
    SMALL_LLAMA = "SmallLlama"


class Question(BaseModel):
    """A text for the served classifier and the label that is right for it."""

    text: str
    label: str


class Story(BaseModel):
    """Contents of `story.yaml`. Keys of `files` are paths in the example's folder, values are keys in the bucket."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", protected_namespaces=())

    model: BaseModelKind
    model_path: str
    files: dict[str, str]
    classify: list[Question] = []
    complete: list[str] = []


def story_names() -> list[str]:
    """Return the names of all examples that have a story."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/story.yaml"))


def load_story(name: str) -> Story:
    """Return the story of `examples/<name>`."""
    return Story.model_validate(yaml.safe_load((EXAMPLES / name / "story.yaml").read_text()))


def load_manifest(name: str) -> dict[str, Any]:
    """Return the FineTuneJob of `examples/<name>`."""
    manifest: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "finetunejob.yaml").read_text())
    return manifest
