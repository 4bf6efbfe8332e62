"""Follows one FineTuneJob and prints a line whenever its status says something new."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console

from demo.stories import Manifest
from devcluster import Access

TERMINAL_PHASES = frozenset({"Ready", "Succeeded", "Failed"})
Status = dict[str, Any]


class JobFailed(Exception):
    """The FineTuneJob ended without the result that was waited for."""


def read_status(cluster: Access, name: str, namespace: str = "default") -> Status:
    """Return the status of a FineTuneJob, empty while the operator has not seen it."""
    job = json.loads(cluster.run_kubectl("-n", namespace, "get", "finetunejob", name, "-o", "json"))
    status: Status = job.get("status", {})
    return status


def follow(
    read: Callable[[], Status], until: frozenset[str], timeout_seconds: float, interval_seconds: float = 1.0
) -> Iterator[Status]:
    """Yield each status that differs from the one before, ending with the first whose phase is in `until`.

    Raises JobFailed when the job fails on the way, or when `timeout_seconds` have passed.
    """
    deadline = time.monotonic() + timeout_seconds
    last: Status | None = None
    while time.monotonic() < deadline:
        status = read()
        if status != last:
            last = status
            yield status
        phase = status.get("phase")
        if phase in until:
            return
        if phase in TERMINAL_PHASES:
            raise JobFailed(f"{phase}: {status.get('reason')}: {status.get('message')}")
        time.sleep(interval_seconds)
    raise JobFailed(f"not {' or '.join(sorted(until))} after {timeout_seconds:.0f} s: {json.dumps(last)}")


def status_line(status: Status) -> str:
    """Return one readable line for a status."""
    progress = status.get("progress", {})
    parts = [f"{status.get('phase', 'Pending'):<10}"]
    if progress.get("display") and status.get("phase") == "Training":
        parts.append(progress["display"])
        parts += [f"{name} {progress[key]:.4g}" for name, key in (("loss", "loss"),) if key in progress]
        if progress.get("eta"):
            parts.append(f"eta {progress['eta']}")
    if status.get("message"):
        parts.append(status["message"])
    return "  ".join(parts)


def print_until_done(cluster: Access, job: Manifest, console: Console, timeout_seconds: float) -> Status:
    """Print the job's way to a published or, if it asks for that, a served model; return its last status.

    Raises JobFailed.
    """
    name, end = job["metadata"]["name"], last_phase(job)
    status: Status = {}
    shown = ""
    started = time.monotonic()
    for status in follow(lambda: read_status(cluster, name), frozenset({end}), timeout_seconds):
        line = status_line(status)
        if line != shown:
            console.print(f"{time.monotonic() - started:5.0f} s  {line}", highlight=False, soft_wrap=True)
            shown = line
    return status


def last_phase(job: Manifest) -> str:
    """Return the phase in which the job has done all that its manifest asks for."""
    return "Ready" if job["spec"].get("serving", {}).get("enabled") else "Succeeded"
