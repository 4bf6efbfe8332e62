"""Published tiny models and servers for them, shared by the tests of this folder."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from finetune_trainer.artifact import read_manifest
from tests.e2e.serving.server_process import Server, running_server
from tests.e2e.serving.tiny_models import publish_classifier, publish_endless_model, publish_language_model


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one published model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    publish_classifier(folder / "classifier")
    publish_language_model(folder / "chat")
    publish_endless_model(folder / "endless")
    return folder


@pytest.fixture(scope="session")
def servers(models: Path) -> Iterator[dict[str, Server]]:
    """One server for each model, started together because each takes seconds to import torch."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                running_server(models / name, read_manifest(models / name).digest, models / f"{name}.log", name=name)
            )
            for name in ("classifier", "chat")
        }


@pytest.fixture
async def classifier(servers: dict[str, Server]) -> Server:
    """A ready server of the classifier."""
    await servers["classifier"].wait_ready()
    return servers["classifier"]


@pytest.fixture
async def chat(servers: dict[str, Server]) -> Server:
    """A ready server of the language model."""
    await servers["chat"].wait_ready()
    return servers["chat"]
