"""Whether a live object still says what was applied."""

import hashlib
import json
import re
from decimal import Decimal
from typing import Any

from finetune_api.keys import ANNOTATION_APPLIED
from finetune_operator.kinds import Manifest

_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")
_FACTOR: dict[str | None, Decimal] = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T"), start=1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)},
}


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
        return isinstance(live, dict) and all(_contains(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(_contains(there, here) for there, here in zip(live, wanted, strict=True))
        )
    return bool(live == wanted) or _same_quantity(live, wanted)


def _same_quantity(live: Any, wanted: Any) -> bool:
    if not (isinstance(live, str) and isinstance(wanted, str)):
        return False
    here, there = _QUANTITY.match(live), _QUANTITY.match(wanted)
    return here is not None and there is not None and _amount(here) == _amount(there)


def _amount(match: re.Match[str]) -> Decimal:
    return Decimal(match[1]) * _FACTOR[match[2]]
