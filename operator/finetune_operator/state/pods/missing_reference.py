"""Secrets, ConfigMaps and ServiceAccounts that are not there, or lack a key: which field asks for them."""

import re

from finetune_api.keys import Reason
from finetune_operator.desired.references import Reference, references
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.status.story import Problem

BACK_OFF = "The kubelet looks for it again within about two minutes."
"""Its pauses between two tries to mount a volume grow to 2m2s, and an object that appears does not cut one short."""

_ABSENT = re.compile(r'(secret|configmap) "([^"]+)" not found')
_LACKING = re.compile(r"couldn't find key ([-._a-zA-Z0-9]+) in (Secret|ConfigMap) [^/\s]+/([-.a-z0-9]+)")
_LACKING_FILE = re.compile(r"references non-existent (secret|config) key: ([-._a-zA-Z0-9]+)")
_ACCOUNT = re.compile(r'serviceaccount "([^"]+)" not found')
_KINDS = {"secret": "Secret", "configmap": "ConfigMap", "config": "ConfigMap"}
_REASONS = {"Secret": Reason.SECRET_NOT_FOUND, "ConfigMap": Reason.CONFIG_MAP_NOT_FOUND}


def missing_reference(message: str, job: FineTuneJob) -> Problem | None:
    """Explain a message of the kubelet; None if it is not about a Secret or ConfigMap that is missing, or its key."""
    if lost := _ABSENT.search(message):
        return absent(_KINDS[lost[1]], lost[2], job)
    if lacking := _LACKING.search(message):
        key, kind, name = lacking.groups()
        asked = [found for found in references(job) if (found.kind, found.name, found.key) == (kind, name, key)]
        return _without_key(kind, key, asked or [Reference(kind, name, key, "")])
    if lacking := _LACKING_FILE.search(message):
        kind, key = _KINDS[lacking[1]], lacking[2]
        asked = [found for found in references(job) if (found.kind, found.key) == (kind, key)]
        return _without_key(kind, key, asked) if asked else None
    return None


def missing_account(message: str) -> Problem | None:
    """Explain why a controller may not create a pod, if that is for want of its ServiceAccount."""
    account = _ACCOUNT.search(message)
    if account is None:
        return None
    words = f"ServiceAccount {account[1]} (serviceAccountName) does not exist in this namespace. Create it."
    return Problem(Reason.SERVICE_ACCOUNT_NOT_FOUND, words)


def absent(kind: str, name: str, job: FineTuneJob) -> Problem:
    """Name an object that does not exist, and the fields that ask for it."""
    asked = list(dict.fromkeys(found.asked_by for found in references(job) if (found.kind, found.name) == (kind, name)))
    if not asked and kind == "ConfigMap":
        return Problem(Reason.VOLUME_NOT_READY, f"ConfigMap {name} does not exist yet.")
    where = f" ({', '.join(asked)})" if asked else ""
    return Problem(_REASONS[kind], f"{kind} {name}{where} does not exist in this namespace. Create it. {BACK_OFF}")


def _without_key(kind: str, key: str, asked: list[Reference]) -> Problem:
    fields = {f"{kind} {found.name}": f" ({found.asked_by})" if found.asked_by else "" for found in asked}
    places = (f"{place}{field}" for place, field in fields.items())
    return Problem(_REASONS[kind], f"{' or '.join(places)} has no key {key}. Add it, or correct the field. {BACK_OFF}")
