"""An Event about a FineTuneJob, as events.k8s.io takes it."""

import hashlib
from datetime import datetime

from finetune_api.keys import MANAGED_BY
from finetune_api.runs import child_name
from finetune_operator.kinds import EVENT, FINETUNE_JOB, Manifest
from finetune_operator.manifests import name_of, namespace_of, uid_of
from finetune_operator.state.plan import Note

NOTE_LIMIT_BYTES = 1024


def event(resource: Manifest, note: Note, identity: str, now: datetime) -> Manifest:
    """Return the Event. Its name follows from what it tells and when, so that a repeated request makes no second."""
    about = f"{uid_of(resource)} {note.reason} {note.message} {now.isoformat()}"
    suffix = hashlib.sha256(about.encode()).hexdigest()[:12]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": child_name(name_of(resource), suffix), "namespace": namespace_of(resource)},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if note.warning else "Normal",
        "reason": note.reason,
        "note": note.message.encode()[:NOTE_LIMIT_BYTES].decode(errors="ignore"),
        "action": "Reconcile",
        "reportingController": MANAGED_BY,
        "reportingInstance": identity[:128],
        "regarding": {
            "apiVersion": FINETUNE_JOB.api_version,
            "kind": FINETUNE_JOB.kind,
            "name": name_of(resource),
            "namespace": namespace_of(resource),
            "uid": uid_of(resource),
        },
    }
