"""The HTTP port: /healthz for the kubelet, /metrics for Prometheus."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


async def start(port: int, complaints: Callable[[], list[str]]) -> web.AppRunner:
    """Serve on all addresses until the runner is cleaned up. Raises OSError when the port is taken."""

    async def healthz(_: web.Request) -> web.Response:
        found = complaints()
        return web.Response(status=503 if found else 200, text="\n".join(found) or "ok")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "", port).start()
    return runner
