"""Every process of a cluster lives below one cgroup, which is how all of them are found again."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .errors import DevclusterError
from .mounts import mounts

COMPONENTS = "components"


def hierarchies() -> list[Path]:
    """The mount points of the cgroup hierarchies: one with version 2, one for each controller with version 1."""
    return [mount.target for mount in mounts() if mount.kind in ("cgroup", "cgroup2")]


def create(name: str) -> None:
    """Make the cluster's cgroup, with a leaf for the components, in every hierarchy."""
    for hierarchy in hierarchies():
        for folder in (hierarchy / name, hierarchy / name / COMPONENTS):
            folder.mkdir(exist_ok=True)
            _inherit_cpuset(folder)


def _inherit_cpuset(folder: Path) -> None:
    """A new cpuset of version 1 is empty, and no process may enter an empty one."""
    for setting in ("cpuset.cpus", "cpuset.mems"):
        file = folder / setting
        if file.exists() and os.access(file, os.W_OK) and not file.read_text().strip():
            with suppress(OSError):
                file.write_text((folder.parent / setting).read_text())


def add(name: str, pid: int) -> None:
    """Move a process among the cluster's components."""
    for hierarchy in hierarchies():
        with suppress(ProcessLookupError):
            (hierarchy / name / COMPONENTS / "cgroup.procs").write_text(str(pid))


def pids(name: str) -> set[int]:
    """Every process of the cluster: components, container shims and pods."""
    found: set[int] = set()
    for folder in _folders(name):
        with suppress(OSError):
            found.update(map(int, (folder / "cgroup.procs").read_text().split()))
    return found


def memory_bytes(name: str) -> int | None:
    """What the cluster's processes use now, without the page cache that can be dropped; None if not known."""
    for hierarchy in hierarchies():
        stat = hierarchy / name / "memory.stat"
        if stat.exists():
            values = dict(line.split() for line in stat.read_text().splitlines())
            return int(values.get("total_rss") or values.get("anon") or 0)
    return None


def remove(name: str, *, timeout_seconds: float = 10) -> None:
    """Remove the empty cgroups, deepest first."""
    deadline = time.monotonic() + timeout_seconds
    while left := [folder for folder in _folders(name) if not _removed(folder)]:
        if time.monotonic() > deadline:
            raise DevclusterError(f"cgroup {left[0]} could not be removed: a process in it does not end")
        time.sleep(0.05)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _folders(name: str) -> Iterator[Path]:
    for hierarchy in hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            yield Path(folder)
