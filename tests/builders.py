"""Builders of FineTuneJob manifests: start from a small valid one and change what the test is about."""

from copy import deepcopy
from typing import Any

from finetune_api import API_VERSION, KIND

Manifest = dict[str, Any]

_MINIMAL: Manifest = {
    "model": {"source": "s3://finetune/models/tiny", "secretRef": {"name": "s3"}},
    "task": "SequenceClassification",
    "dataset": {"train": {"source": "s3://finetune/data/train.csv"}, "secretRef": {"name": "s3"}},
    "output": {"destination": "s3://finetune/published", "secretRef": {"name": "s3"}},
}


def merge(base: Manifest, changes: Manifest) -> Manifest:
    """Return `base` with `changes` merged into it, as a JSON merge patch: None removes."""
    merged = deepcopy(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def finetune_job(name: str = "job", namespace: str = "default", **spec: Any) -> Manifest:
    """Return a FineTuneJob; keyword arguments are merged into a small valid spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": merge(_MINIMAL, spec),
    }
