"""What the operator's settings give to every job that does not say otherwise: the chart's `defaults`."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from finetune_api.keys import OWN_PREFIXES, POD_LABELS_OF_CONTROLLERS
from finetune_api.parts.environment import NAMES_OF_SECRETS, RESERVED_VARIABLES, SECRETS_THEMSELVES, EnvVar
from finetune_api.parts.pod import PodOptions
from finetune_api.quantity import amount
from finetune_api.schema import ApiModel, ObjectName
from finetune_api.spec.storage import AccessMode, StorageSpec, WorkspaceTTL
from finetune_operator.kinds import Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob

MAPS = ("labels", "annotations", "nodeSelector", "limits")
"""Options that are joined key by key."""
NAMED = ("env", "imagePullSecrets")
"""Options that are joined name by name."""
LISTS = ("envFrom", "tolerations")
"""Options that are joined by adding. All others are taken as a whole, from the job if it sets them."""

Options = TypeVar("Options", bound=PodOptions)


class InvalidDefaults(ValueError):
    """The defaults cannot be used; the message names the first field and what to do."""


class StorageDefaults(ApiModel):
    """Defaults of workspace volumes that are yet to be claimed."""

    storage_class_name: ObjectName | None = None
    access_modes: list[AccessMode] | None = Field(None, min_length=1, max_length=3)


class JobDefaults(ApiModel):
    """Defaults for all pods, for training and for serving pods, and for the workspace volume."""

    pods: PodOptions = PodOptions()
    compute: PodOptions = PodOptions()
    serving: PodOptions = PodOptions()
    storage: StorageDefaults = StorageDefaults()
    workspace_ttl_seconds_after_finished: WorkspaceTTL | None = Field(None, alias="workspaceTTLSecondsAfterFinished")


NO_DEFAULTS = JobDefaults()


def read_defaults(text: str) -> JobDefaults:
    """Read the defaults from JSON. Raises InvalidDefaults."""
    try:
        defaults = JobDefaults.model_validate(json.loads(text or "{}"))
    except json.JSONDecodeError as error:
        raise InvalidDefaults(f"is no JSON: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidDefaults(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    for name in ("pods", "compute", "serving"):
        for complaint in _complaints(getattr(defaults, name)):
            raise InvalidDefaults(f"{name}.{complaint}")
    return defaults


def with_defaults(job: FineTuneJob, defaults: JobDefaults) -> FineTuneJob:
    """Return the job with the defaults under what it says itself; run and launch are those that its own spec makes.

    So other defaults launch no training anew: they are for the next one. Deployments of servers follow at once.
    """
    if defaults == NO_DEFAULTS:
        return job
    spec = job.spec
    changes = {
        "compute": under(spec.compute, defaults.compute, defaults.pods),
        "serving": under(spec.serving, defaults.serving, defaults.pods),
        "storage": _storage(spec.storage, defaults.storage),
        "workspace_ttl_seconds_after_finished": _first(
            spec.workspace_ttl_seconds_after_finished, defaults.workspace_ttl_seconds_after_finished
        ),
    }
    return replace(job, spec=spec.model_copy(update=changes))


def under(options: Options, *layers: PodOptions) -> Options:
    """Return the options with layers of defaults under them, the nearest first."""
    wire = options.to_wire()
    for layer in layers:
        base = layer.to_wire()
        joined = {name: _joined(name, base[name], wire[name]) for name in base.keys() & wire.keys()}
        wire = base | wire | joined
    return type(options).model_validate(wire)


def _joined(name: str, base: Any, own: Any) -> Any:
    if name in MAPS:
        return base | own
    if name in NAMED:
        return list({entry["name"]: entry for entry in (*base, *own)}.values())
    if name in LISTS:
        return [*(entry for entry in base if entry not in own), *own]
    return own


def _first(own: int | None, default: int | None) -> int | None:
    return own if own is not None else default


def _storage(storage: StorageSpec, defaults: StorageDefaults) -> StorageSpec:
    if storage.existing_claim:
        return storage
    known: Manifest = {
        "storage_class_name": storage.storage_class_name or defaults.storage_class_name,
        "access_modes": storage.access_modes or defaults.access_modes,
    }
    return storage.model_copy(update=known)


def _complaints(options: PodOptions) -> Iterator[str]:
    """Yield what the API server would refuse in a FineTuneJob, by the rules between fields, and pods could not bear."""
    for variable in options.env or ():
        yield from (f"env: {variable.name} {complaint}" for complaint in _variable_complaints(variable))
    for name in options.labels or ():
        if name.startswith(OWN_PREFIXES) or name in POD_LABELS_OF_CONTROLLERS:
            yield f"labels: {name} is set by the operator or by Kubernetes; remove it"
    amounts = {"ephemeralStorage": options.ephemeral_storage, "sharedMemory": options.shared_memory}
    amounts |= {f"limits.{name}": limit for name, limit in (options.limits or {}).items()}
    for field, quantity in amounts.items():
        try:
            amount(quantity or 0)
        except ValueError as error:
            yield f"{field}: {error}"


def _variable_complaints(variable: EnvVar) -> Iterator[str]:
    if variable.name in RESERVED_VARIABLES:
        yield "is set by the operator or the image; remove it"
    if (variable.value is None) == (variable.value_from is None):
        yield "needs exactly one of value and valueFrom"
    value = variable.value or ""
    if variable.value is not None and (
        re.search(NAMES_OF_SECRETS, variable.name) or re.search(f"{SECRETS_THEMSELVES}|://[^/]*@", value)
    ):
        yield "must not hold a secret: store it in a Secret of the jobs' namespaces, and name that in valueFrom"
