"""Whether a live object is still what was applied: our own stamp on it, and the fields that are still ours."""

import hashlib
import json

from finetune_api.keys import ANNOTATION_APPLIED
from finetune_operator.kinds import Manifest
from finetune_operator.managed_fields import lost
from finetune_operator.manifests import annotation_of


def stamped(manifest: Manifest) -> Manifest:
    """Return the manifest with its own digest as an annotation, by which a field that it no longer sets shows."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    head = manifest["metadata"]
    annotations = {**(head.get("annotations") or {}), ANNOTATION_APPLIED: digest}
    return {**manifest, "metadata": {**head, "annotations": annotations}}


def stamp_of(manifest: Manifest) -> str:
    """Return the stamp of a manifest, or of what a live object was applied from."""
    return annotation_of(manifest, ANNOTATION_APPLIED)


def is_applied(wanted: Manifest, live: Manifest) -> bool:
    """Whether what is wanted, a stamped manifest, is what was applied last, whatever became of its fields."""
    return stamp_of(live) == stamp_of(wanted)


def differs(wanted: Manifest, live: Manifest) -> bool:
    """Whether it has to be applied: we want something else by now, or somebody changed a field that we set.

    What admission made of it does not count, nor fields and list items of others.
    """
    return not is_applied(wanted, live) or bool(lost(wanted, live))


def is_template_changed(wanted: Manifest, live: Manifest) -> bool:
    """Whether somebody changed a field that we set in the template of the pods."""
    return any(found.field.startswith("spec.template") for found in lost(wanted, live))
