"""Reading a pod's progress over HTTP: to its end, and no further than is reasonable."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import web

from finetune_api.handoff import Progress, Stage
from finetune_operator.cluster import progress as progress_module
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.progress import ProgressBoard, ProgressTarget

KEY = Key("default", "job")
SAID = Progress(run_id="run", stage=Stage.TRAIN, step=7, total_steps=9, warnings=["long words " * 90] * 8)


@pytest.fixture
async def parts(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[bytes]]:
    """What the pod answers, part by part, with a pause after each."""
    answer: list[bytes] = []

    async def progress(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in answer:
            await response.write(part)
            await asyncio.sleep(0.01)
        return response

    app = web.Application()
    app.add_routes([web.get("/progress", progress)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    monkeypatch.setattr(progress_module, "PROGRESS_PORT", runner.addresses[0][1])
    yield answer
    await runner.cleanup()


async def read(patience_seconds: float) -> Progress | None:
    news = asyncio.Event()
    board = ProgressBoard(0.02, lambda _: news.set())
    board.watch(KEY, ProgressTarget("pod", "127.0.0.1", "run"))
    with suppress(TimeoutError):
        await asyncio.wait_for(news.wait(), patience_seconds)
    found = board.newest(KEY)
    await board.close()
    return found[1] if found else None


async def test_answer_that_comes_in_parts_is_read_to_its_end(parts: list[bytes]) -> None:
    content = json.dumps(SAID.to_wire()).encode()
    parts += [content[start : start + 500] for start in range(0, len(content), 500)]
    assert await read(10) == SAID


async def test_endless_answer_is_given_up(parts: list[bytes]) -> None:
    content = json.dumps({**SAID.to_wire(), "more": "x" * progress_module.MAX_ANSWER_BYTES}).encode()
    parts += [content]
    assert await read(0.5) is None
