"""What every tracker offers, and how a run is called there."""

from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, Protocol

from finetune_api.handoff import RunRequest
from finetune_api.keys import ANNOTATION_JOB_NAME, LABEL_JOB_UID, LABEL_RUN
from finetune_api.spec.tracking import PROJECT_LIMIT, Tracker

TAG_NAMESPACE = "finetune.dev/namespace"


class Ending(StrEnum):
    """How an attempt at a run ends, in MLflow's words."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True)
class RunIdentity:
    """How a run is called in a tracker. `id` is the same for every attempt at the run, and for no other run."""

    id: str
    name: str
    project: str
    tags: dict[str, str]
    note: str

    @classmethod
    def of(cls, request: RunRequest) -> "RunIdentity":
        """Return the identity of a run that has a tracker."""
        assert request.tracking
        own = {
            TAG_NAMESPACE: request.namespace,
            ANNOTATION_JOB_NAME: request.name,
            LABEL_JOB_UID: request.uid,
            LABEL_RUN: request.run_id,
        }
        # A run of Trackio's has no id but its name.
        suffix = f"-{request.uid[:8]}" if request.tracking.type is Tracker.TRACKIO else ""
        return cls(
            id=f"{request.uid}-{request.run_id}",
            name=f"{request.name}-{request.run_id}{suffix}",
            project=request.tracking.project or f"{request.namespace}-{request.name}"[:PROJECT_LIMIT],
            tags={**(request.tracking.tags or {}), **own},
            note=f"Run {request.run_id} of FineTuneJob {request.name}:"
            f" kubectl get ftj --namespace {request.namespace} {request.name}",
        )

    def arguments(self, real: Any | None) -> Any:
        """Return TrainingArguments as transformers' callbacks read them, with this run's names.

        real: those of the training, None where an earlier attempt has trained and told its parameters.
        """
        arguments = copy(real) if real is not None else SimpleNamespace(to_dict=dict, output_dir="")
        names = {"run_name": self.name, "project": self.project, "hub_private_repo": None}
        for name, value in {**names, "trackio_space_id": None, "trackio_bucket_id": None}.items():
            setattr(arguments, name, value)
        return arguments


class Desk(Protocol):
    """A tracker's client. All calls come from one thread, may take long, and may raise anything.

    `is_direct`: what the callback is told has reached the server when it returns; else when the run is closed.
    """

    is_direct: bool

    def open(self) -> str:
        """Begin the run, or go on with it if an earlier attempt began it; return the address of its page."""

    def callback(self) -> Any:
        """Return transformers' own callback for the tracker, once the run is open."""

    def note(self, values: dict[str, str]) -> None:
        """Add facts of the whole run, such as where its model is published."""

    def close(self, ending: Ending) -> None:
        """End the run; a later attempt may open it again."""
