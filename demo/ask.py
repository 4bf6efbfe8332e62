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


def classify(base_url: str, texts: list[str]) -> list[dict[str, Any]]:
    """Return the served classifier's result for each text."""
    results: list[dict[str, Any]] = post_json(f"{base_url}/v1/classify", {"input": texts})["results"]
    return results


def complete(base_url: str, model: str, prompt: str, max_tokens: int = 64) -> str:
    """Return the served language model's completion of a prompt, at temperature 0."""
    body = {"model": model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0}
    text: str = post_json(f"{base_url}/v1/completions", body)["choices"][0]["text"]
    return text
