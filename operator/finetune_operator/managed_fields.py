"""Server-side apply's record of who set which field: what is still ours, and who has taken the rest.

A field stays ours when an admission webhook changes what we sent, and when others add fields or list items beside it;
it ceases to be ours when somebody else writes another value.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from finetune_api.keys import MANAGED_BY
from finetune_operator.kinds import CONFIG_MAP, DEPLOYMENT, DISRUPTION_BUDGET, JOB, SERVICE, Manifest, kind_of

RECORDED = (CONFIG_MAP, DEPLOYMENT, SERVICE, DISRUPTION_BUDGET)
"""Kinds whose record is kept: they are put right when somebody changes them."""
SUSPEND: Manifest = {"f:spec": {"f:suspend": {}}}
_METADATA = ("labels", "annotations", "ownerReferences")


@dataclass(frozen=True)
class Lost:
    """A field that we set and somebody else has changed or removed since. taken_by: field managers, if known."""

    field: str
    taken_by: tuple[str, ...]


def trimmed(manifest: Manifest) -> Manifest:
    """Return the object with as much of its record as is ever asked for: the whole would double the cache."""
    head = {**manifest["metadata"]}
    entries = head.pop("managedFields", None) or ()
    kind = kind_of(manifest)
    kept = [entry for entry in entries if entry.get("subresource") != "status"] if kind in RECORDED else []
    if kind == JOB:
        holders = [entry for entry in entries if "f:suspend" in entry.get("fieldsV1", {}).get("f:spec", {})]
        kept = [{"manager": entry.get("manager"), "fieldsV1": SUSPEND} for entry in holders]
    if kept:
        head["managedFields"] = kept
    return {**manifest, "metadata": head}


def lost(wanted: Manifest, live: Manifest) -> list[Lost]:
    """Return the fields of a manifest that we applied and that are not ours any more, in its order."""
    head = {field: wanted["metadata"][field] for field in _METADATA if field in wanted["metadata"]}
    fields = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind")}
    nodes = [(str(entry.get("manager")), entry.get("fieldsV1") or {}) for entry in _entries(live)]
    return list(_lost({**fields, "metadata": head}, nodes, ""))


def suspender(training_job: Manifest) -> str | None:
    """Return who else than we has set a Job's spec.suspend; None when nobody is recorded."""
    others = [str(entry.get("manager")) for entry in _entries(training_job) if entry.get("manager") != MANAGED_BY]
    return others[0] if others else None


_Nodes = list[tuple[str, dict[str, Any]]]
"""The records of a place in the object, each with its field manager."""


def _entries(live: Manifest) -> list[Manifest]:
    return list(live["metadata"].get("managedFields") or ())


def _lost(value: Any, nodes: _Nodes, path: str) -> Iterator[Lost]:
    ours = [node for manager, node in nodes if manager == MANAGED_BY]
    if any(not node for node in ours):
        return  # The whole value is ours, whatever is in it.
    if isinstance(value, dict) and any(node for _, node in nodes):
        for key, item in value.items():
            yield from _lost(item, _below(nodes, f"f:{key}"), f"{path}.{key}" if path else key)
    elif isinstance(value, list) and ours:
        for item in value:
            name = item.get("name", "") if isinstance(item, dict) else item
            yield from _lost(item, _items(nodes, item), f"{path}[{name}]")
    elif not ours:
        yield Lost(path, tuple(dict.fromkeys(manager for manager, _ in nodes)))


def _below(nodes: _Nodes, step: str) -> _Nodes:
    return [(manager, node[step]) for manager, node in nodes if step in node]


def _items(nodes: _Nodes, item: Any) -> _Nodes:
    """Return the records of a list's item, which is known by its merge keys or, in a set, by its value."""
    return [(manager, below) for manager, node in nodes for step, below in node.items() if _is_step_to(step, item)]


def _is_step_to(step: str, item: Any) -> bool:
    if step.startswith("k:") and isinstance(item, dict):
        return all(item.get(key, value) == value for key, value in json.loads(step[2:]).items())
    return step.startswith("v:") and bool(json.loads(step[2:]) == item)
