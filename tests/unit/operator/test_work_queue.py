"""The queue: nothing twice at a time, nothing lost, endless retries."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from finetune_operator.cluster.key import Key
from finetune_operator.reconcile import queue as queue_module
from finetune_operator.reconcile.queue import WorkQueue

A, B = Key("n", "a"), Key("n", "b")


@contextlib.asynccontextmanager
async def working(
    queue: WorkQueue, work: Callable[[Key], Awaitable[float | None]], workers: int = 4
) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(queue.work_for_ever(work)) for _ in range(workers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


async def test_key_that_waits_is_worked_on_once() -> None:
    queue, seen = WorkQueue(), []

    async def work(key: Key) -> None:
        seen.append(key)

    for key in (A, A, B, A):
        queue.add(key)
    assert queue.depth == 2
    async with working(queue, work):
        await until(lambda: queue.longest_wait_seconds() == 0)
    assert sorted(seen) == [A, B]


async def test_new_jobs_come_before_news_about_others() -> None:
    queue, seen = WorkQueue(), []

    async def work(key: Key) -> None:
        seen.append(key)

    queue.add(A)
    queue.add(B, first=True)
    async with working(queue, work, workers=1):
        await until(lambda: len(seen) == 2)
    assert seen == [B, A]


async def test_key_is_never_worked_on_twice_at_a_time_and_no_change_is_lost() -> None:
    queue, active, most, count = WorkQueue(), 0, 0, 0

    async def work(_: Key) -> None:
        nonlocal active, most, count
        active += 1
        most = max(most, active)
        if count < 3:
            queue.add(A)
            queue.add(A)
        await asyncio.sleep(0.01)
        count += 1
        active -= 1

    queue.add(A)
    async with working(queue, work):
        await until(lambda: count == 4 and queue.longest_wait_seconds() == 0)
    assert most == 1


async def test_thousands_of_keys_leave_others_their_turn() -> None:
    queue, turns = WorkQueue(), 0

    async def work(_: Key) -> None:
        return

    for number in range(2_000):
        queue.add(Key("n", str(number)))
    async with working(queue, work, workers=16):
        while queue.depth:
            await asyncio.sleep(0)
            turns += 1
    assert turns > 100


async def test_failing_key_is_tried_again_for_ever_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "FIRST_BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(queue_module, "LONGEST_BACKOFF_SECONDS", 0.04)
    times: list[float] = []

    async def work(_: Key) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 8:
            raise RuntimeError

    queue = WorkQueue()
    queue.add(A)
    async with working(queue, work):
        await until(lambda: len(times) == 8)
        await asyncio.sleep(0.1)
    assert len(times) == 8
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses[0] < pauses[2]
    assert max(pauses) < 0.2


async def test_key_is_looked_at_again_when_asked_unless_something_happens_before() -> None:
    queue, seen = WorkQueue(), []

    async def work(key: Key) -> float | None:
        seen.append(key)
        return 0.03 if len(seen) == 1 else None

    queue.add(A)
    async with working(queue, work):
        await until(lambda: len(seen) == 1)
        queue.add(A)
        await asyncio.sleep(0.1)
    assert len(seen) == 2


async def test_longest_wait_tells_of_a_worker_that_hangs() -> None:
    now = 0.0
    queue = WorkQueue(clock=lambda: now)

    async def work(_: Key) -> None:
        await asyncio.Event().wait()

    queue.add(A)
    async with working(queue, work):
        await asyncio.sleep(0.01)
        now = 200.0
        assert queue.longest_wait_seconds() == 200.0
