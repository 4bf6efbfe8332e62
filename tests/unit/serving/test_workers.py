"""The bounded queue of model work."""

import asyncio
import threading

import pytest

from finetune_trainer.serving.engines.workers import Emit, Workers
from finetune_trainer.serving.errors import ApiError


def _counting(count: int):
    def work(emit: Emit, _: threading.Event) -> None:
        for number in range(count):
            emit(number)

    return work


async def test_results_arrive_in_order():
    with Workers(1, 1).start(_counting(100)) as results:
        assert [result async for result in results] == list(range(100))


async def test_an_error_of_the_work_reaches_the_one_who_waits():
    def work(emit: Emit, _: threading.Event) -> None:
        emit("first")
        raise ValueError("out of luck")

    seen = []
    with pytest.raises(ValueError, match="out of luck"), Workers(1, 1).start(work) as results:
        async for result in results:
            seen.append(result)
    assert seen == ["first"]


async def test_a_full_queue_refuses_and_a_place_is_free_only_when_the_work_has_ended():
    workers = Workers(1, 1)
    running, let_go = threading.Event(), threading.Event()

    def stubborn(_: Emit, __: threading.Event) -> None:
        running.set()
        let_go.wait(10)

    with workers.start(stubborn), workers.start(_counting(1)):
        await asyncio.to_thread(running.wait, 10)
        with pytest.raises(ApiError) as refused, workers.start(_counting(1)):
            pass
    assert (refused.value.status, refused.value.type) == (429, "rate_limit_error")
    # The one that waited was cancelled; the stubborn one still holds its place.
    with workers.start(_counting(1)), pytest.raises(ApiError), workers.start(_counting(1)):
        pass
    let_go.set()
    workers.close()


async def test_only_what_has_no_thread_yet_waits():
    workers = Workers(1, 2)
    running, let_go = threading.Event(), threading.Event()

    def stubborn(_: Emit, __: threading.Event) -> None:
        running.set()
        let_go.wait(10)

    with workers.start(stubborn):
        await asyncio.to_thread(running.wait, 10)
        assert workers.waiting == 0
        with workers.start(_counting(1)):
            with workers.start(_counting(1)):
                assert workers.waiting == 2
            assert workers.waiting == 1
            let_go.set()
            async with asyncio.timeout(10):
                while workers.waiting:
                    await asyncio.sleep(0.01)
    workers.close()
    assert workers.waiting == 0


async def test_leaving_tells_the_work_to_stop():
    workers = Workers(1, 1)
    stopped = threading.Event()

    def work(emit: Emit, cancelled: threading.Event) -> None:
        emit("begun")
        if cancelled.wait(10):
            stopped.set()

    with workers.start(work) as results:
        assert await anext(results) == "begun"
    workers.close()
    assert stopped.is_set()
