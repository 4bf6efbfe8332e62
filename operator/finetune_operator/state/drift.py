"""Whether a live object still says what was applied."""

import hashlib
import json
from typing import Any

from finetune_api.keys import ANNOTATION_APPLIED
from finetune_api.quantity import amount
from finetune_operator.kinds import Manifest

_QUANTITIES = ("requests", "limits")
"""Fields whose values are amounts: the API server keeps the spelling, others (an admission webhook) may not."""


def stamped(manifest: Manifest) -> Manifest:
    """Return the manifest with its own digest as an annotation, by which a field that it no longer sets shows."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    head = manifest["metadata"]
    annotations = {**(head.get("annotations") or {}), ANNOTATION_APPLIED: digest}
    return {**manifest, "metadata": {**head, "annotations": annotations}}


def differs(wanted: Manifest, live: Manifest) -> bool:
    """Whether a field that we set is missing or says something else; fields of others do not count."""
    return not _contains(live, wanted)


def _contains(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            _contains_amounts(live.get(key), value) if key in _QUANTITIES else _contains(live.get(key), value)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(_contains(there, here) for there, here in zip(live, wanted, strict=True))
        )
    return bool(live == wanted)


def _contains_amounts(live: Any, wanted: Any) -> bool:
    if not (isinstance(wanted, dict) and isinstance(live, dict)):
        return _contains(live, wanted)
    return all(key in live and _same_amount(live[key], value) for key, value in wanted.items())


def _same_amount(live: Any, wanted: Any) -> bool:
    try:
        return amount(live) == amount(wanted)
    except ValueError:
        return bool(live == wanted)
