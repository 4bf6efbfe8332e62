"""Tells whether the operator still gets on with its work; the kubelet restarts it when it does not."""

import time
from collections.abc import Callable
from dataclasses import dataclass

STUCK_WORK_SECONDS = 180.0
MISSED_RESYNCS = 5
SLOWEST_RESYNC_SECONDS = 120.0


@dataclass
class Heartbeat:
    """When something last happened."""

    clock: Callable[[], float] = time.monotonic
    last: float | None = None

    def beat(self) -> None:
        """Note that it happens now."""
        self.last = self.clock()

    def age_seconds(self) -> float:
        """Return the time since it last happened; 0 before the first time."""
        return 0.0 if self.last is None else self.clock() - self.last


class Watchdog:
    """Looks at the parts that could hang."""

    def __init__(
        self, longest_wait_seconds: Callable[[], float], resync: Heartbeat, resync_interval_seconds: float
    ) -> None:
        self._longest_wait_seconds = longest_wait_seconds
        self._resync = resync
        self.resync_limit_seconds = MISSED_RESYNCS * resync_interval_seconds + SLOWEST_RESYNC_SECONDS

    def complaints(self) -> list[str]:
        """Return what is wrong, in words; empty when all is well. A standby has nothing to complain about."""
        found = []
        waited = self._longest_wait_seconds()
        if waited > STUCK_WORK_SECONDS:
            found.append(f"a FineTuneJob has waited {waited:.0f} s to be reconciled")
        if self._resync.age_seconds() > self.resync_limit_seconds:
            found.append(f"the last resync was {self._resync.age_seconds():.0f} s ago")
        return found
