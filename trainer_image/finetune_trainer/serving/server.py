"""The server's life: listen, check and load the model beside that, answer, and on SIGTERM finish what was begun."""

import asyncio
import logging
import signal
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from finetune_trainer.artifact import run_of, verify
from finetune_trainer.config import pretends_gpus
from finetune_trainer.errors import Unavailable
from finetune_trainer.serving.api.app import build_app
from finetune_trainer.serving.api.state import ServerState
from finetune_trainer.serving.engines.workers import Workers

if TYPE_CHECKING:
    from finetune_trainer.serving.engines.loading import ServedModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServeOptions:
    """What to serve, and within which limits."""

    model: Path
    digest: str
    name: str
    gpus: int
    gpu_resource_name: str
    host: str
    port: int
    threads: int
    queue: int
    max_body_bytes: int
    grace_seconds: float


async def run_server(options: ServeOptions) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises MissingInput (CorruptArtifact) if the files do not have the digest, BadSpec if they are no model that can
    be served, NoAccelerator if a GPU was asked for and cannot be used, Unavailable if the port is taken.
    """
    state = ServerState(options.name, options.digest, Workers(options.threads, options.queue))
    stopping = _stop_on_signals()
    runner = web.AppRunner(
        build_app(state, options.max_body_bytes),
        handler_cancellation=True,
        shutdown_timeout=options.grace_seconds,
        access_log=None,
    )
    await runner.setup()
    try:
        await _listen(runner, options)
        await _load_unless_stopped(state, options, stopping)
        await stopping.wait()
    finally:
        state.not_ready = "stopping"
        log.info("stopping: finishing requests for up to %g s", options.grace_seconds)
        await runner.cleanup()
        state.workers.close()


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


async def _listen(runner: web.AppRunner, options: ServeOptions) -> None:
    try:
        await web.TCPSite(runner, options.host, options.port).start()
    except OSError as error:
        raise Unavailable(f"cannot listen on {options.host} port {options.port}: {error.strerror}") from error
    log.info("listening on %s port %d", options.host, options.port)


async def _load_unless_stopped(state: ServerState, options: ServeOptions, stopping: asyncio.Event) -> None:
    loading: asyncio.Future[ServedModel] = asyncio.wrap_future(_load_in_background(state, options))
    either: set[asyncio.Future[Any]] = {loading, asyncio.ensure_future(stopping.wait())}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if loading.done():
        state.ready(await loading, run_of(options.model))
        log.info("ready: %s with digest %s", options.name, options.digest)


def _load_in_background(state: ServerState, options: ServeOptions) -> "Future[ServedModel]":
    """Load on a daemon thread: a server that is told to stop does not wait for it."""
    future: Future[ServedModel] = Future()
    future.set_running_or_notify_cancel()  # the loop may end before it, but must not cancel it

    def load() -> None:
        try:
            future.set_result(_checked_model(state, options))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=load, name="load", daemon=True).start()
    return future


def _checked_model(state: ServerState, options: ServeOptions) -> "ServedModel":
    if options.gpus:
        _check_gpu(options)
    state.not_ready = f"checking the files in {options.model}"
    verify(options.model, options.digest)
    state.not_ready = f"loading the model in {options.model}"
    from finetune_trainer.serving.engines.loading import load_model  # imports torch, for which the routes do not wait

    return load_model(options.model)


def _check_gpu(options: ServeOptions) -> None:
    from finetune_trainer.runtime.device import has_gpu  # imports torch, for which the routes do not wait

    if not has_gpu("spec.serving", options.gpus, options.gpu_resource_name, pretended=pretends_gpus()):
        log.warning("computing on the CPU: the GPUs of this cluster are pretended")
