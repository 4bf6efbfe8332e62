"""Starting the components in the cluster's namespace and cgroup, and ending everything that runs there."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import cgroups, network
from .commands import SYSTEM_PATH
from .component import Component
from .errors import DevclusterError, NotReady
from .layout import Layout

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A process that is told from a later one with the same id by the moment it started."""

    pid: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return _start_ticks(self.pid) == self.start_ticks

    @property
    def uptime_seconds(self) -> float:
        """How long ago it started."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.start_ticks / _CLOCK_TICKS

    @property
    def memory_bytes(self) -> int:
        """The resident memory; 0 when the process has ended."""
        with suppress(OSError, IndexError):
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return 0


def _start_ticks(pid: int) -> int | None:
    """Return when the process started; None when it has ended, which it has not while one of its threads is left.

    The first thread of a killed process may be gone before the others, which keep its ports until they are gone too.
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return None
    return None if after_name[0] in "ZX" and threads <= 1 else int(after_name[19])


def start(layout: Layout, component: Component, program: Path) -> Process:
    """Start a component; it outlives this process, and its output goes to its log."""
    with layout.log(component.name).open("ab") as log:
        child = subprocess.Popen(
            [*network.enter(layout.network_namespace), str(program), *component.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=layout.root,
            # Nothing of the caller's environment: neither its proxies nor its credentials belong here.
            env={"PATH": SYSTEM_PATH, "HOME": str(layout.root), **component.env},
            start_new_session=True,
        )
    cgroups.add(layout.cgroup, child.pid)
    _children.append(child)
    return Process(child.pid, _start_ticks(child.pid) or 0)


_children: list[subprocess.Popen[bytes]] = []


def _reap() -> None:
    """Let go of components that have ended and that this very process started."""
    _children[:] = [child for child in _children if child.poll() is None]


def wait_until(ready: Callable[[], bool], process: Process, layout: Layout, name: str, deadline: float) -> None:
    """Ask every 50 ms; raise NotReady with the end of the log when the process ends or the deadline passes."""
    while not ready():
        _reap()
        if not process.alive:
            raise NotReady(f"{name} ended while it started\n{tail(layout, name)}")
        if time.monotonic() > deadline:
            raise NotReady(f"{name} is not ready in time\n{tail(layout, name)}")
        time.sleep(0.05)


def tail(layout: Layout, name: str, lines: int = 15) -> str:
    """The end of a component's log, with its path."""
    path = layout.log(name)
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return f"{path} does not exist"
    return "\n".join([f"the last lines of {path}:", *text.splitlines()[-lines:]])


def kill(process: Process) -> None:
    """End one process and wait until it is gone."""
    while process.alive:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        _reap()
        time.sleep(0.01)


def kill_all(layout: Layout, *, timeout_seconds: float = 20) -> None:
    """End every process of the cluster, and whatever those start meanwhile."""
    deadline = time.monotonic() + timeout_seconds
    while found := cgroups.pids(layout.cgroup) | network.pids(layout.network_namespace):
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap()
        if time.monotonic() > deadline:
            raise DevclusterError(f"processes do not end: {sorted(found)}")
        time.sleep(0.02)
