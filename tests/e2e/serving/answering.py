"""The server's application in this process: the same routes, without the process around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from finetune_trainer.artifact import read_manifest, run_of
from finetune_trainer.serving.api.app import build_app
from finetune_trainer.serving.api.state import ServerState
from finetune_trainer.serving.engines.loading import load_model
from finetune_trainer.serving.engines.workers import Workers


@asynccontextmanager
async def answering(folder: Path) -> AsyncIterator[TestClient[Any, Any]]:
    """Give a client of an application that has loaded the published model in `folder`, named as the folder."""
    state = ServerState(folder.name, read_manifest(folder).digest, Workers(threads=2, queue=8))
    state.ready(load_model(folder), run_of(folder))
    async with TestClient(TestServer(build_app(state, max_body_bytes=1 << 20))) as client:
        yield client
    state.workers.close()
