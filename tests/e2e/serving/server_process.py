"""The real server as a process of its own, and a client for it."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.ports import free_port

TRAINER = [sys.executable, "-m", "finetune_trainer"]
READY_TIMEOUT_SECONDS = 400


@dataclass
class Server:
    """A running server; `log` holds what it says."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    digest: str

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    async def health(self) -> tuple[int, dict[str, Any]]:
        """Return status and body of /healthz; (0, {}) while nobody listens."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/healthz") as response:
                return response.status, await response.json()
        except aiohttp.ClientConnectionError:
            return 0, {}

    async def wait_ready(self) -> None:
        """Wait until the server says that it is ready; fail with its log if it ends instead."""
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while (await self.health())[0] != 200:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            await asyncio.sleep(0.1)

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Return status and JSON body of the answer."""
        async with aiohttp.ClientSession() as session, session.post(self.url + path, json=body) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> Any:
        """Return the JSON body of a page."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return await response.json()

    async def stream(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the chunks of a streamed answer; fail if it does not end with [DONE]."""
        asked = {**body, "stream": True}
        async with aiohttp.ClientSession() as session, session.post(self.url + path, json=asked) as response:
            text = await response.text()
            assert (response.status, response.content_type) == (200, "text/event-stream"), text
        events = text.strip().split("\n\n")
        assert events[-1] == "data: [DONE]"
        return [json.loads(event.removeprefix("data: ")) for event in events[:-1]]

    async def metric(self, name: str, /, **labels: str) -> float:
        """Return the value of one sample of /metrics, 0 if it is not there yet."""
        wanted = name + ("{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else "")
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{wanted} ")), 0.0)


def run_trainer(*arguments: object, timeout_seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run one command of the trainer's program to its end."""
    command = [*TRAINER, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, check=False)


@contextmanager
def running_server(folder: Path, digest: str, log: Path, *arguments: object, name: str = "tiny") -> Iterator[Server]:
    """Start `serve` on a free port of the loopback address; end it afterwards."""
    port = free_port()
    options = ["--model", folder, "--digest", digest, "--name", name, "--host", "127.0.0.1", "--port", port, *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen([*TRAINER, "serve", *map(str, options)], stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Server(process, f"http://127.0.0.1:{port}", log, digest)
    finally:
        process.kill()
        process.wait()
