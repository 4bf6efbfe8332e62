"""Tiny models and data on stand-ins for volumes, shared by the tests of this folder."""

import os
from pathlib import Path

import pytest

from tests.e2e.trainer.tiny_models import make_decoder, make_encoder, make_encoder_decoder
from tests.e2e.trainer.trainer_process import Site

# Set before the first process is forked: one thread each, so that tests can run side by side on few cores. Importing
# MLflow would start another, which no fork has.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The claims models (encoders, a decoder, an encoder-decoder), data (empty) and out (empty)."""
    folder = tmp_path_factory.mktemp("volumes")
    for claim in ("models", "data", "out"):
        (folder / claim).mkdir()
    make_encoder(folder / "models/encoder")
    make_encoder(folder / "models/encoder-with-dropout", dropout=0.1)
    make_encoder(folder / "models/roberta", kind="roberta")
    make_decoder(folder / "models/decoder")
    make_encoder_decoder(folder / "models/encoder-decoder")
    return folder


@pytest.fixture
def site(volumes: Path, tmp_path: Path) -> Site:
    """A pod's mounts, with a workspace of the test's own."""
    return Site(volumes, tmp_path)
