"""Asks the served model, through `kubectl port-forward`, as a person at a laptop would."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demo.stories import Question
from devcluster import Access, CommandFailed


@contextmanager
def forwarded(cluster: Access, target: str, port: int = 80, namespace: str = "default") -> Iterator[str]:
    """Forward a free local port to `target` (such as service/NAME) and give its base URL."""
    command = [str(cluster.kubectl), "-n", namespace, "port-forward", target, f":{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=cluster.env)
    try:
        line = process.stdout.readline() if process.stdout else ""
        match = re.search(r"127\.0\.0\.1:(\d+)", line)
        if not match:
            raise CommandFailed(f"kubectl port-forward {target}: {line.strip()}")
        yield f"http://127.0.0.1:{match[1]}"
    finally:
        process.terminate()
        process.wait()


def post_json(url: str, body: dict[str, Any], attempts: int = 5) -> dict[str, Any]:
    """POST a JSON body and return the JSON answer; a refused connection is tried again, one second apart."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    for attempt in range(attempts):
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise CommandFailed(f"POST {url}: {error.code} {error.read().decode(errors='replace')}") from None
        except (urllib.error.URLError, ConnectionError) as error:
            if attempt == attempts - 1:
                raise CommandFailed(f"POST {url}: {error}") from None
            time.sleep(1)
    raise AssertionError("unreachable")


def ask(base_url: str, job: str, question: Question) -> Any:
    """Put a story's question to the served model of `job`; return the answer."""
    reply = post_json(f"{base_url}{question.path}", {"model": job, **question.body})
    return question.answer_in(reply)


def service_of(status: dict[str, Any]) -> str:
    """Return the name of the Service that a status' address names."""
    address: str = status["serving"]["url"]
    return address.removeprefix("http://").split(".")[0]
