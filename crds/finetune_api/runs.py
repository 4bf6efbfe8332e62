"""What makes a run: the inputs that a training depends on, hashed to the id that names its children."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune_api import SHORT_NAME
from finetune_api.schema import CANONICAL
from finetune_api.spec.inputs import TrainingInputs
from finetune_api.spec.job import FineTuneJobSpec

RUN_ID_LENGTH = 8
FORMER_RATE = 5e-5
LAUNCH_DIGEST_LENGTH = 16
NAME_LIMIT = 63

TRAINING_INPUTS = (*TrainingInputs.model_fields, "run_id")
LAUNCH_INPUTS = (*TRAINING_INPUTS, "compute", "storage", "output", "tracking", "retry")

AT_NEXT_LAUNCH = (
    "evaluation",
    "storage.size",
    "dataset.truncationWarningShare",
    "training.globalBatchSize",
    "training.loggingIntervalSteps",
    "training.evaluationIntervalSteps",
    "training.checkpointIntervalSteps",
)
"""Fields of the spec that change no weights, and that a live training does not stop for."""
NO_WEIGHTS = (*AT_NEXT_LAUNCH, "training.gradientCheckpointing")
"""Fields of the spec that change no weights: the same run with other values gives the same model."""


@dataclass(frozen=True)
class Identity:
    """What a spec asks for, as digests.

    run and launch: see `run_id` and `launch_digest`. evaluation: over how the model is judged, None by default.
    judging: of the launch that only judges a finished run again. former_run and former_launch are what earlier releases
    called run and launch: they counted fields that change no weights, and the spelling of amounts. What they named goes
    on under its name.
    """

    run: str
    launch: str
    evaluation: str | None
    judging: str
    former_run: str
    former_launch: str


def identify(spec: FineTuneJobSpec, digests: Mapping[str, str], places: Mapping[str, Any]) -> Identity:
    """Return the identity of what `spec` asks for.

    digests, places: of the artifacts that job:// sources stand for, as of `run_id` and `launch_digest`.
    """
    launch = launch_digest(spec, places)
    judged_by = _inputs(spec, ("evaluation",))
    evaluation = _digest(judged_by)[:RUN_ID_LENGTH] if judged_by else None
    return Identity(
        run=run_id(spec, digests),
        launch=launch,
        evaluation=evaluation,
        judging=_digest([launch, evaluation])[:LAUNCH_DIGEST_LENGTH],
        former_run=_run_digest(spec, digests),
        former_launch=_launch_digest(spec, places),
    )


def run_id(spec: FineTuneJobSpec, digests: Mapping[str, str] | None = None) -> str:
    """Return the id of the run that `spec` asks for: 8 hex digits over what its weights depend on, and its image.

    digests: of the artifacts that job:// sources stand for, by field. Another artifact is another run.
    Credentials' names do not count: rotating a Secret never trains again.
    """
    return _run_digest(spec, digests or {}, NO_WEIGHTS)


def launch_digest(spec: FineTuneJobSpec, sources: Mapping[str, Any] | None = None) -> str:
    """Return the digest of everything that a training Job is made from, but what a live one is not stopped for.

    sources: how the artifacts that job:// sources stand for are read, as JSON-ready data by field.
    When it changes within a run (more memory, another destination), the Job is replaced and the run's
    finished stages are skipped. The spelling of an amount does not count.
    """
    spelt = FineTuneJobSpec.model_validate(spec.model_dump(mode="json", by_alias=True, context=CANONICAL))
    return _launch_digest(spelt, sources or {}, AT_NEXT_LAUNCH)


def _run_digest(spec: FineTuneJobSpec, digests: Mapping[str, str], left_out: Sequence[str] = ()) -> str:
    secrets = ("dataset", *(block.removeprefix("spec.") for block, _ in spec.models.values()))
    inputs = _inputs(spec, TRAINING_INPUTS, left_out)
    for block in secrets:
        _take(inputs, f"{block}.secretRef")
    inputs["image"] = spec.compute.image
    return _digest({**inputs, "sources": dict(digests)} if digests else inputs)[:RUN_ID_LENGTH]


def _launch_digest(spec: FineTuneJobSpec, places: Mapping[str, Any], left_out: Sequence[str] = ()) -> str:
    inputs = _inputs(spec, LAUNCH_INPUTS, left_out)
    return _digest({**inputs, "sources": dict(places)} if places else inputs)[:LAUNCH_DIGEST_LENGTH]


def _inputs(spec: FineTuneJobSpec, names: Sequence[str], left_out: Sequence[str] = ()) -> dict[str, Any]:
    """Dump the named blocks without defaults, so that a release that adds a field changes no run's id."""
    dumped = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=set(names))
    if "training" in names:
        # Jobs that were stored when every task had one default carry it, and keep their ids.
        rate = spec.resolved_training.learning_rate
        dumped["training"] = {**dumped.get("training", {}), "learningRate": None if rate == FORMER_RATE else rate}
    for field in left_out:
        _take(dumped, field)
    inputs: dict[str, Any] = _without_empty(dumped)
    return inputs


def _take(inputs: dict[str, Any], field: str) -> None:
    """Take a field, such as training.seed, out of the dumped spec."""
    *blocks, name = field.split(".")
    for block in blocks:
        inputs = inputs.get(block) or {}
    inputs.pop(name, None)


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _without_empty(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    pruned = {key: _without_empty(value) for key, value in data.items()}
    return {key: value for key, value in pruned.items() if value not in ({}, None)}


def child_name(job_name: str, suffix: str) -> str:
    """Return `<job>-<suffix>` as a DNS label that any kind may bear: 63 characters, a letter first.

    A job name that is too long, has dots or begins with a digit is made to fit and told apart by a hash.
    """
    name = f"{job_name}-{suffix}"
    if len(name) <= NAME_LIMIT and "." not in job_name and job_name[0].isalpha():
        return name
    tag = _digest(job_name)[:6]
    label = job_name.replace(".", "-")
    if not label[0].isalpha():
        label = f"{SHORT_NAME}-{label}"
    kept = label[: NAME_LIMIT - len(suffix) - len(tag) - 2].rstrip("-")
    return f"{kept}-{tag}-{suffix}"
