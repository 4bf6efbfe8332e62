"""An example that runs by itself: its manifests, the inputs they need, what to expect, and questions for the models."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PACKAGED_MODEL = "MiniLM"
JOB_KIND = "FineTuneJob"

Manifest = dict[str, Any]


class StoryModel(BaseModel):
    """Base of what `story.yaml` is made of."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", protected_namespaces=())


class Expectation(StoryModel):
    """A margin that the example states: bounds of one held-out figure, by itself or against the base model's.

    `below_base_by_ratio` 0.3 means at least 30 % lower. `job` is the last of the manifests unless stated.
    """

    metric: str
    job: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    above_base_by: float | None = None
    below_base_by: float | None = None
    below_base_by_ratio: float | None = None

    def broken(self, metrics: dict[str, dict[str, float]]) -> list[str]:
        """Return what does not hold for the status' metrics, in words; empty if all does."""
        tuned = metrics["evaluation"][self.metric]
        base = metrics.get("baseline", {}).get(self.metric)
        bounds = [
            (self.at_least, lambda bound: tuned >= bound, "at least {}"),
            (self.at_most, lambda bound: tuned <= bound, "at most {}"),
            (self.above_base_by, lambda bound: base is not None and tuned >= base + bound, "above the base by {}"),
            (self.below_base_by, lambda bound: base is not None and tuned <= base - bound, "below the base by {}"),
            (
                self.below_base_by_ratio,
                lambda bound: base is not None and tuned <= base * (1 - bound),
                "below the base by a share of {}",
            ),
        ]
        return [
            f"{self.metric} is {tuned:.4g} (base {base}), expected {words.format(bound)}"
            for bound, holds, words in bounds
            if bound is not None and not holds(bound)
        ]


class Question(StoryModel):
    """A request to a served model. `answer` is where the answer lies in the reply, such as `results.0.label`.

    `job` is the last of the manifests unless stated. The answer must be `equals` or contain `contains`, where given,
    and never be empty.
    """

    path: str
    body: dict[str, Any]
    answer: str
    job: str | None = None
    equals: Any = None
    contains: str | None = None

    @property
    def text(self) -> str:
        """What is asked, for people."""
        asked = next(self.body[key] for key in ("input", "prompt", "messages") if key in self.body)
        asked = asked[-1] if isinstance(asked, list) else asked
        return str(asked["content"] if isinstance(asked, dict) else asked)

    def answer_in(self, reply: Any) -> Any:
        """Return the answer that a reply holds."""
        for part in self.answer.split("."):
            reply = reply[int(part)] if part.isdigit() else reply[part]
        return reply

    def is_right(self, answer: Any) -> bool:
        """Tell whether the answer is as it should be."""
        if self.contains is not None and self.contains not in str(answer):
            return False
        return answer == self.equals if self.equals is not None else bool(str(answer).strip())


class Story(StoryModel):
    """Contents of `story.yaml`.

    `models` maps paths in the bucket to where each base model comes from: MiniLM (the packaged encoder), or a script
    in `examples/` that makes one. `files` maps paths in the example's folder to keys in the bucket. A
    `representative` story is part of every `make test`.
    """

    models: dict[str, str]
    files: dict[str, str]
    representative: bool = False
    expect: list[Expectation]
    ask: list[Question] = []


def story_names() -> list[str]:
    """Return the names of all examples that have a story."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/story.yaml"))


def load_story(name: str) -> Story:
    """Return the story of `examples/<name>`."""
    return Story.model_validate(yaml.safe_load((EXAMPLES / name / "story.yaml").read_text()))


def load_manifests(name: str) -> list[Manifest]:
    """Return what `examples/<name>/finetunejob.yaml` holds, in its order."""
    return list(yaml.safe_load_all((EXAMPLES / name / "finetunejob.yaml").read_text()))


def jobs_in(manifests: list[Manifest]) -> list[Manifest]:
    """Return the FineTuneJobs among the manifests; the last is the one that a story is about."""
    return [manifest for manifest in manifests if manifest["kind"] == JOB_KIND]
