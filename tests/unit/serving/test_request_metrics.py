"""What the server counts as requests: those of clients."""

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

    app = web.Application(middlewares=[measured(metrics), errors_as_json])
    app.add_routes([web.get(path, answer) for path in ("/healthz", "/metrics", "/v1/models")])
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
