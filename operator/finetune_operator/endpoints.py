"""The HTTP port: /livez and /healthz for the kubelet, /metrics for Prometheus."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

Complaints = Callable[[], list[str]]
"""Says what is wrong, in words; empty when all is well."""


async def start(
    port: int, stuck: Complaints, hindered: Complaints, render: Callable[[], Awaitable[bytes]]
) -> web.AppRunner:
    """Serve on all addresses until the runner is cleaned up. Raises OSError when the port is taken.

    stuck: what a restart may mend, told by /livez and /healthz. hindered: what it does not, told by /healthz alone.
    render: the metrics' text.
    """

    async def livez(_: web.Request) -> web.Response:
        return _answer(stuck())

    async def healthz(_: web.Request) -> web.Response:
        return _answer([*stuck(), *hindered()])

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/healthz", healthz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "", port).start()
    return runner


def _answer(complaints: list[str]) -> web.Response:
    return web.Response(status=503 if complaints else 200, text="\n".join(complaints) or "ok")
