"""A queue of keys: each waits at most once, one worker per key at a time, endless retries with growing pauses."""

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable

from finetune_operator.cluster.key import Key

logger = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 60.0

Work = Callable[[Key], Awaitable[float | None]]
"""Looks at a key; returns after how many seconds to look again unless something happens before."""


class WorkQueue:
    """Keys that are to be looked at."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ready: asyncio.PriorityQueue[tuple[bool, int, Key]] = asyncio.PriorityQueue()
        self._order = itertools.count()
        self._since: dict[Key, float] = {}
        self._active: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key, *, first: bool = False) -> None:
        """Look at the key as soon as a worker is free; one that waits already waits once.

        first: before the others. A burst of new FineTuneJobs is launched before the many small news about each.
        """
        self._cancel_timer(key)
        if key in self._active:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = self._clock()
            self._ready.put_nowait((not first, next(self._order), key))

    @property
    def depth(self) -> int:
        """Count of keys that wait for a worker."""
        return self._ready.qsize()

    def longest_wait_seconds(self) -> float:
        """Return for how long the oldest key has waited or been worked on."""
        return max((self._clock() - since for since in self._since.values()), default=0.0)

    async def work_for_ever(self, work: Work) -> None:
        """Take keys and work on them. Several of these may run side by side."""
        while True:
            _, _, key = await self._ready.get()
            self._active.add(key)
            try:
                await self._work_on(key, work)
            finally:
                self._active.discard(key)
                del self._since[key]
            # Neither an empty wait nor pure work lets others have their turn: the Lease is renewed beside thousands.
            await asyncio.sleep(0)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _work_on(self, key: Key, work: Work) -> None:
        try:
            look_again_seconds = await work(key)
        except Exception:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            pause = min(FIRST_BACKOFF_SECONDS * 2 ** min(failures, 16), LONGEST_BACKOFF_SECONDS)
            self._schedule(key, pause)
            return
        self._failures.pop(key, None)
        if look_again_seconds is not None:
            self._schedule(key, look_again_seconds)

    def _schedule(self, key: Key, seconds: float) -> None:
        self._cancel_timer(key)
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self.add, key)

    def _cancel_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
