"""Whether a live object still says what was applied."""

import hashlib
import json
from typing import Any

from finetune_api.keys import ANNOTATION_APPLIED
from finetune_api.quantity import amount
from finetune_operator.kinds import Manifest

_AMOUNTS = ("requests", "limits", "sizeLimit")
"""Fields that hold amounts: the API server spells them in its own way."""


def stamped(manifest: Manifest) -> Manifest:
    """Return the manifest with its own digest as an annotation, by which a field that it no longer sets shows."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    head = manifest["metadata"]
    annotations = {**(head.get("annotations") or {}), ANNOTATION_APPLIED: digest}
    return {**manifest, "metadata": {**head, "annotations": annotations}}


def differs(wanted: Manifest, live: Manifest) -> bool:
    """Whether a field that we set is missing or says something else; fields of others do not count."""
    return not _contains(live, wanted)


def _contains(live: Any, wanted: Any, *, amounts: bool = False) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            _contains(live.get(key), value, amounts=amounts or key in _AMOUNTS) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(_contains(there, here, amounts=amounts) for there, here in zip(live, wanted, strict=True))
        )
    return bool(live == wanted) or (amounts and _same_amount(live, wanted))


def _same_amount(live: Any, wanted: Any) -> bool:
    try:
        return amount(live) == amount(wanted)
    except ValueError:
        return False
