"""What makes a run: the inputs that a training depends on, hashed to the id that names its children."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from finetune_api import SHORT_NAME
from finetune_api.inputs import TrainingInputs
from finetune_api.spec import FineTuneJobSpec

RUN_ID_LENGTH = 8
FORMER_RATE = 5e-5
NAME_LIMIT = 63

TRAINING_INPUTS = (*TrainingInputs.model_fields, "run_id")
LAUNCH_INPUTS = (*TRAINING_INPUTS, "compute", "storage", "output")


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _without_empty(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    pruned = {key: _without_empty(value) for key, value in data.items()}
    return {key: value for key, value in pruned.items() if value not in ({}, None)}


def _inputs(spec: FineTuneJobSpec, names: tuple[str, ...]) -> dict[str, Any]:
    """Dump the named blocks without defaults, so that a release that adds a field changes no run's id."""
    dumped = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=set(names))
    # Jobs that were stored when every task had one default carry it, and keep their ids.
    rate = spec.resolved_training.learning_rate
    dumped["training"] = {**dumped.get("training", {}), "learningRate": None if rate == FORMER_RATE else rate}
    inputs: dict[str, Any] = _without_empty(dumped)
    return inputs


def run_id(spec: FineTuneJobSpec, digests: Mapping[str, str] | None = None) -> str:
    """Return the id of the run that `spec` asks for: 8 hex digits over its training inputs and image.

    digests: of the artifacts that job:// sources stand for, by field. Another artifact is another run.
    Credentials' names do not count: rotating a Secret never trains again.
    """
    inputs = _inputs(spec, TRAINING_INPUTS)
    inputs["image"] = spec.compute.image
    for block in ("spec.dataset", *(block for block, _ in spec.models.values())):
        _at(inputs, block).pop("secretRef", None)
    return _digest({**inputs, "sources": dict(digests)} if digests else inputs)[:RUN_ID_LENGTH]


def launch_digest(spec: FineTuneJobSpec, sources: Mapping[str, Any] | None = None) -> str:
    """Return the digest of everything that a training Job is made from.

    sources: how the artifacts that job:// sources stand for are read, as JSON-ready data by field.
    When it changes within a run (more memory, another destination), the Job is replaced and the run's
    finished stages are skipped.
    """
    inputs = _inputs(spec, LAUNCH_INPUTS)
    return _digest({**inputs, "sources": dict(sources)} if sources else inputs)[:16]


def _at(inputs: dict[str, Any], block: str) -> dict[str, Any]:
    """Return a block of the dumped spec, such as that of spec.model; an empty one where it says nothing."""
    for part in block.split(".")[1:]:
        inputs = inputs.get(part, {})
    return inputs


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
