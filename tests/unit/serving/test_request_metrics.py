"""What the server counts as requests: those of clients."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from finetune_trainer.serving.api.metrics import ServingMetrics
from finetune_trainer.serving.api.middleware import errors_as_json, measured


@pytest.fixture
async def served() -> AsyncIterator[tuple[ServingMetrics, str]]:
    metrics = ServingMetrics()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"more")
            await asyncio.sleep(0.001)

    app = web.Application(middlewares=[measured(metrics), errors_as_json])
    app.add_routes([web.get(path, answer) for path in ("/healthz", "/metrics", "/v1/models")])
    app.add_routes([web.get("/endless", endless)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield metrics, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_probes_and_scrapes_are_no_requests(served: tuple[ServingMetrics, str]) -> None:
    metrics, url = served
    async with aiohttp.ClientSession() as session:
        for path in ("/healthz", "/metrics", "/v1/models", "/v1/nothing"):
            async with session.get(f"{url}{path}"):
                pass
    told = metrics.render().decode()
    assert 'finetune_server_requests_total{code="200",route="/v1/models"} 1.0' in told
    assert 'finetune_server_requests_total{code="404",route="unknown"} 1.0' in told
    assert "healthz" not in told
    assert 'route="/metrics"' not in told


async def test_client_that_leaves_while_it_is_written_to_is_no_failure_of_the_server(
    served: tuple[ServingMetrics, str], caplog: pytest.LogCaptureFixture
) -> None:
    metrics, url = served
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"{url}/endless")
        await response.content.readany()
    async with asyncio.timeout(10):
        while b'code="499"' not in metrics.render():
            await asyncio.sleep(0.01)
    assert b"finetune_server_requests_cancelled_total 1.0" in metrics.render()
    assert b'code="500"' not in metrics.render()
    assert "Traceback" not in caplog.text
