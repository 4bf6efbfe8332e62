"""Reading core/v1 Events: what was said about something, and what was said last."""

from collections.abc import Collection, Iterable

from finetune_operator.kinds import Manifest
from finetune_operator.manifests import uid_of

DETAIL_LIMIT = 600


def about(events: Iterable[Manifest], manifest: Manifest) -> list[Manifest]:
    """Return the Events about an object."""
    return [event for event in events if (event.get("involvedObject") or {}).get("uid") == uid_of(manifest)]


def latest(events: Iterable[Manifest], reasons: Collection[str]) -> Manifest | None:
    """Return the newest Event of one of these reasons."""
    return newest(event for event in events if event.get("reason") in reasons)


def newest(events: Iterable[Manifest]) -> Manifest | None:
    """Return the newest Event."""
    return max(events, key=time_of, default=None)


def time_of(event: Manifest) -> str:
    """Return when the Event was last seen, empty if it does not say."""
    series = event.get("series") or {}
    times = (event.get("lastTimestamp"), series.get("lastObservedTime"), event.get("eventTime"))
    return max((str(time) for time in times if time), default="")


def message_of(event: Manifest | None) -> str:
    """Return what the Event says."""
    return str((event or {}).get("message") or "")


def short(message: str) -> str:
    """Return a message on one line, cut to a length that leaves room for words of our own."""
    line = " ".join(message.split()).rstrip(".")
    return line if len(line) <= DETAIL_LIMIT else f"{line[: DETAIL_LIMIT - 1]}…"
