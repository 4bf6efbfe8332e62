"""Real servers of MLflow and Trackio, each in a process of its own."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

START_SECONDS = 120
# What `mlflow server` runs below its job runner, which needs packages that the client does not.
MLFLOW = """
import sys
from werkzeug.serving import make_server
from mlflow.server import app
make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True).serve_forever()
"""
TRACKIO = """
import sys
import trackio
trackio.show(open_browser=False, block_thread=True, host="127.0.0.1", server_port=int(sys.argv[1]))
"""
WRITE_TOKEN = "the-write-token"


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Serve MLflow's API on a database in the folder; give its address."""
    store = f"sqlite:///{folder}/mlflow.db"
    stores = {"_MLFLOW_SERVER_FILE_STORE": store, "_MLFLOW_SERVER_REGISTRY_STORE": store}
    places = {**stores, "_MLFLOW_SERVER_ARTIFACT_ROOT": f"{folder}/artifacts", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with _server(MLFLOW, places, "/health", folder) as address:
        yield address


@contextmanager
def trackio_server(folder: Path) -> Iterator[str]:
    """Serve Trackio from the folder; give its address."""
    with _server(TRACKIO, {"TRACKIO_DIR": str(folder), "TRACKIO_WRITE_TOKEN": WRITE_TOKEN}, "/", folder) as address:
        yield address


@contextmanager
def _server(program: str, variables: dict[str, str], path: str, folder: Path) -> Iterator[str]:
    port, log = free_port(), folder / "server.log"
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(port)],
            env={**os.environ, **variables},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(address + path):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
