"""Puts a status over the live one so that what other releases and other controllers have written there stays.

A status that means what the live one says is not written.
"""

from typing import Any

from finetune_api.keys import ConditionType
from finetune_api.status import FineTuneJobStatus
from finetune_operator.kinds import Manifest
from finetune_operator.state.observed import previous_status

_LISTS = {"conditions": ("type",), "sources": ("field",), "history": ("run", "uri")}
"""Lists that are maps, by the fields that tell their entries apart."""
_ABOUT = {
    "run": ("id",),
    "artifact": ("run", "digest"),
    "serving": ("run",),
    "conditions": ("status",),
    "sources": ("run", "digest"),
    "history": ("digest",),
}
"""What a block, or an entry of a list, is about. Once it is about something else, nothing of it is kept."""
OWN = [(kind.value,) for kind in ConditionType]
_OF_THE_RUN = ("run", "progress", "metrics", "warnings", "score", "scoreMetric")


def changed(next_status: FineTuneJobStatus, resource: Manifest) -> Manifest | None:
    """Return the next status as data, None when it means what the resource already says.

    What the resource says beyond this release's vocabulary stays as it is.
    """
    live = resource.get("status") or {}
    wire = keeping(live, previous_status(resource).to_wire(), next_status.to_wire())
    return None if wire == live else wire


def keeping(live: Manifest, known: Manifest, wanted: Manifest) -> Manifest:
    """Return the wanted status with all that the live one says beyond what this release understands.

    known: the part of `live` that is understood. Only what differs between `known` and `wanted` is changed; with a
    run, an artifact or a block, what was not understood of it goes, too. Conditions of others stay in their places.
    """
    if _id(live) not in (None, _id(wanted)):
        live = {key: value for key, value in live.items() if key not in _OF_THE_RUN}
    return _block(live, known, wanted)


def _id(status: Manifest) -> Any:
    run = status.get("run")
    return run.get("id") if isinstance(run, dict) else None


def _block(live: Manifest, known: Manifest, wanted: Manifest) -> Manifest:
    merged: Manifest = {}
    for key in {**live, **wanted}:
        if key not in wanted:
            if known.get(key) in (None, {}):
                merged[key] = live[key]
        elif key in live:
            merged[key] = _value(key, live[key], known.get(key), wanted[key])
        else:
            merged[key] = wanted[key]
    return merged


def _value(key: str, live: Any, known: Any, wanted: Any) -> Any:
    if key in _LISTS and isinstance(live, list):
        return _entries(key, live, known or [], wanted)
    if isinstance(live, dict) and isinstance(wanted, dict):
        return _block(live, known or {}, wanted) if _is_about_the_same(key, live, wanted) else wanted
    return live if known == wanted else wanted


def _entries(key: str, live: list[Any], known: list[Manifest], wanted: list[Manifest]) -> list[Any]:
    """Join a list entry by entry. One that is not understood stays; conditions stay where they are."""
    there, before, after = ({_name(key, entry): entry for entry in entries} for entries in (live, known, wanted))
    merged = {name: _value(key, there.get(name, {}), before.get(name), entry) for name, entry in after.items()}
    kept = {name: entry for name, entry in there.items() if name not in (*before, *OWN)}
    joined = kept | merged
    names = dict.fromkeys([*there, *after] if key == "conditions" else [*after, *there])
    return [joined[name] for name in names if name in joined]


def _name(key: str, entry: Any) -> tuple[str, ...]:
    """Return what tells an entry of a list apart; of something else that stands there, its text."""
    fields = _LISTS[key]
    return tuple(str(entry.get(field)) for field in fields) if isinstance(entry, dict) else (repr(entry),)


def _is_about_the_same(key: str, live: Manifest, wanted: Manifest) -> bool:
    return all(live.get(field, wanted.get(field)) == wanted.get(field) for field in _ABOUT.get(key, ()))
