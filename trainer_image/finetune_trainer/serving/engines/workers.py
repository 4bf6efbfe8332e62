"""Runs model work on threads, beside the event loop, with a bounded queue in front."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from finetune_trainer.serving.errors import ApiError

Emit = Callable[[Any], None]
Work = Callable[[Emit, threading.Event], None]
"""Gets a function to hand results to, and an event that is set once nobody waits for them any more."""

_END = object()


class Workers:
    """`threads` jobs run at once and `queue` more may wait; any further one is refused."""

    def __init__(self, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self._places = threading.BoundedSemaphore(threads + queue)
        self._lock = threading.Lock()
        self.waiting = 0
        """Count of jobs that wait for a thread."""

    @contextmanager
    def start(self, work: Work) -> Iterator[AsyncIterator[Any]]:
        """Queue `work` and give an iterator over what it emits; leaving the block cancels what is left of it.

        Raises ApiError 429 when the queue is full. The iterator raises what `work` raised.
        """
        if not self._places.acquire(blocking=False):
            raise ApiError(429, "the server's queue is full; try again later", code="queue_full")
        loop = asyncio.get_running_loop()
        results: asyncio.Queue[Any] = asyncio.Queue()
        cancelled = threading.Event()

        def emit(result: Any) -> None:
            loop.call_soon_threadsafe(results.put_nowait, result)

        def run() -> None:
            self._count_waiting(-1)
            work(emit, cancelled)

        self._count_waiting(1)
        job = self._executor.submit(run)
        # A place is free when the work has ended, which may be after its client has gone.
        job.add_done_callback(lambda _: self._places.release())
        job.add_done_callback(lambda _: emit(_END))
        try:
            yield _results(results, job)
        finally:
            cancelled.set()
            if job.cancel():
                self._count_waiting(-1)

    def _count_waiting(self, change: int) -> None:
        with self._lock:
            self.waiting += change

    def close(self) -> None:
        """Wait for the work that runs; call it once all jobs were left or cancelled."""
        self._executor.shutdown(wait=True, cancel_futures=True)


async def _results(results: asyncio.Queue[Any], job: Future[None]) -> AsyncIterator[Any]:
    while (result := await results.get()) is not _END:
        yield result
    job.result()
