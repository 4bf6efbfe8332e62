"""Fights: a child that somebody changes back again and again is put right ever more rarely, and that is told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from finetune_api.keys import Reason
from finetune_operator.kinds import Manifest
from finetune_operator.managed_fields import lost
from finetune_operator.manifests import name_of
from finetune_operator.state.children.drift import is_applied, stamp_of
from finetune_operator.state.status.story import Problem

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 600.0
CALM_SECONDS = 600.0
"""A child that has stood for so long beyond its pause is no longer fought over."""
TOLD_FROM = 3
"""Repairs in a row that are no accident any more."""
NAMED_FIELDS = 3

ChildKey = tuple[str, str]
"""Kind and name of a child."""


@dataclass(frozen=True)
class Repair:
    """When a child was last applied, and how often in a row it was the same that had to be applied again.

    wish: what was applied, by its stamp. over: what somebody had changed, in words.
    """

    wish: str
    at: datetime
    count: int = 0
    over: str = ""


Repairs = Mapping[ChildKey, Repair]


def key_of(child: Manifest) -> ChildKey:
    """Return by what a child is remembered."""
    return child["kind"], name_of(child)


def next_repair(known: Repair | None, wish: str, over: str, now: datetime) -> Repair:
    """Return what to remember of a child that is applied now."""
    if known is None or known.wish != wish:
        return Repair(wish, now)
    count = 1 if _is_calm(known, now) else known.count + 1
    return Repair(wish, now, count, over)


def seconds_held_back(known: Repair | None, wish: str, now: datetime) -> float:
    """Return how long a child that needs to be applied is to be left alone yet; what is wished anew never is."""
    if known is None or known.wish != wish or _is_calm(known, now):
        return 0.0
    return max(0.0, _pause_seconds(known) - _age_seconds(known, now))


def not_held_back(
    applies: tuple[Manifest, ...], repairs: Repairs, now: datetime
) -> tuple[tuple[Manifest, ...], float | None]:
    """Return what to apply now, and in how many seconds what is fought over is to be applied again."""
    pauses = [seconds_held_back(repairs.get(key_of(child)), stamp_of(child), now) for child in applies]
    allowed = tuple(child for child, pause in zip(applies, pauses, strict=True) if not pause)
    return allowed, min((pause for pause in pauses if pause), default=None)


def contests(repairs: Repairs, now: datetime) -> tuple[Problem, ...]:
    """Return what to tell about the children that are fought over."""
    return tuple(
        Problem(Reason.CONTESTED, _words(kind, name, repair))
        for (kind, name), repair in sorted(repairs.items())
        if repair.count >= TOLD_FROM and not _is_calm(repair, now)
    )


def changed_by_others(wanted: Manifest, live: Manifest | None) -> str:
    """Say what somebody changed in a child that was applied before, and who if that is recorded."""
    if live is None:
        return "it is deleted"
    if not is_applied(wanted, live):
        return "another installation of the operator applies it, too"
    return _listed(
        f"{found.field} by {' and '.join(found.taken_by)}" if found.taken_by else f"{found.field} is removed"
        for found in lost(wanted, live)
    )


def _listed(words: Iterable[str]) -> str:
    named = list(words)
    more = f" and {len(named) - NAMED_FIELDS} more" if len(named) > NAMED_FIELDS else ""
    return ", ".join(named[:NAMED_FIELDS]) + more


def _words(kind: str, name: str, repair: Repair) -> str:
    advice = " To scale, change spec.serving.replicas instead (kubectl scale ftj)." if "replicas" in repair.over else ""
    return (
        f"Something changes {kind} {name} back again and again ({repair.over}); it is put right ever more rarely."
        f" Find out what does, and stop it.{advice}"
    )


def _is_calm(known: Repair, now: datetime) -> bool:
    return _age_seconds(known, now) > _pause_seconds(known) + CALM_SECONDS


def _pause_seconds(known: Repair) -> float:
    if not known.count:
        return 0.0
    return float(min(FIRST_PAUSE_SECONDS * 2.0 ** min(known.count - 1, 16), LONGEST_PAUSE_SECONDS))


def _age_seconds(known: Repair, now: datetime) -> float:
    return (now - known.at).total_seconds()
