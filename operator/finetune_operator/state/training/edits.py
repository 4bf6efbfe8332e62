"""What an edit has changed since a launch, in words: told from the ConfigMap that the launch left."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from finetune_api.handoff import JOB_FILE_NAME
from finetune_api.runs import AT_NEXT_LAUNCH
from finetune_api.spec.inputs import TrainingInputs
from finetune_operator.desired.config_map import SPEC_FILE_NAME, config_map
from finetune_operator.desired.metadata import run_name
from finetune_operator.kinds import CONFIG_MAP
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed

NAMED_FIELDS = 3
VALUE_CHARACTERS = 60
"""A longer value is not told, nor is a list: an Event is short."""
UNSET = "unset"
_OF_THE_JOB_FILE = (
    *(str(field.alias) for field in TrainingInputs.model_fields.values()),
    "compute",
    "output",
    "tracking",
)


def edits(job: FineTuneJob, former_run: str, observed: Observed) -> str:
    """Return which fields are others than those that the run before was launched with; empty where that is not known.

    Only the fields that a live run is stopped for.
    """
    left = observed.child(CONFIG_MAP, run_name(job, former_run))
    before, after = ((left or {}).get("data") or {}), config_map(job)["data"]
    # An earlier release left the job file alone, which does not tell all.
    spec = SPEC_FILE_NAME if SPEC_FILE_NAME in before else JOB_FILE_NAME
    try:
        words = _changes(_fields(before, spec), _fields(after, spec)) or _changes(_sources(before), _sources(after))
    except (KeyError, ValueError, AttributeError):
        return ""
    more = f" and {len(words) - NAMED_FIELDS} more" if len(words) > NAMED_FIELDS else ""
    return f"{', '.join(words[:NAMED_FIELDS])}{more}"


def _fields(data: Mapping[str, str], file: str) -> dict[str, Any]:
    """Return what a launch is made from. Raises KeyError, ValueError or AttributeError for what is no launch."""
    blocks = json.loads(data[file])
    told = blocks if file == SPEC_FILE_NAME else {name: blocks.get(name) for name in _OF_THE_JOB_FILE}
    return {f"spec.{field}": value for field, value in _leaves(told) if not _waits(field)}


def _sources(data: Mapping[str, str]) -> dict[str, Any]:
    """Return which run's model is read where the spec names another FineTuneJob. Raises what `_fields` raises."""
    sources = json.loads(data[JOB_FILE_NAME]).get("sources") or {}
    return {f"the model of {field}": f"run {source['run']}" for field, source in sources.items()}


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    changed = [field for field in {**old, **new} if old.get(field, UNSET) != new.get(field, UNSET)]
    return [_words(field, old.get(field, UNSET), new.get(field, UNSET)) for field in changed]


def _leaves(block: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in block.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        elif value is not None:
            yield f"{path}{name}", value


def _waits(field: str) -> bool:
    return any(f"{field}.".startswith(f"{waiting}.") for waiting in AT_NEXT_LAUNCH)


def _words(field: str, old: Any, new: Any) -> str:
    is_long = any(isinstance(value, list) or len(str(value)) > VALUE_CHARACTERS for value in (old, new))
    return field if is_long else f"{field} from {_spelt(old)} to {_spelt(new)}"


def _spelt(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
