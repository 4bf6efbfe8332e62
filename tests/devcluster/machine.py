"""What a cluster could leave behind on this machine."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from devcluster import cgroups, mounts, records
from devcluster.layout import STATE


def footprint(name: str) -> set[str]:
    """Everything on this machine that bears the cluster's name."""
    return {
        *(f"mount {target}" for target in mounts.below(STATE / name)),
        *(f"process {pid}" for pid in _processes(name)),
        *(f"file {path}" for path in _files(name) if path.exists() or path.is_symlink()),
    }


def everything() -> set[str]:
    """All that a cluster changes on this machine, whoever's it is."""
    return {
        *(f"mount {mount.target}" for mount in mounts.mounts()),
        *(f"route {line}" for line in _lines("ip", "route", "show", "table", "all")),
        *(f"link {line.split()[0]}" for line in _lines("ip", "-br", "link")),
        *(f"rule {line}" for line in _lines("iptables-save") if not line.startswith(("#", ":"))),
        *(f"file {path}" for folder in _SHARED for path in Path(folder).glob("*")),
        *(f"cgroup {path}" for root in cgroups.hierarchies() for path in root.glob("*/")),
        *(f"sysctl {name} {Path('/proc/sys', name).read_text()}" for name in _SYSCTLS),
    }


def alone(*names: str) -> bool:
    """Whether no cluster but these is on this machine, so that what changes on it is theirs."""
    return {record.name for record in records.all_records()} <= set(names)


_SHARED = (
    "/run/containerd/s",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/cni/results",
    "/var/log/pods",
    "/var/log/containers",
)
_SYSCTLS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys")


def _processes(name: str) -> set[int]:
    found = cgroups.pids(f"finetune-{name}")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"{STATE}/{name}/" in command:
            found.add(int(folder.name))
    return found


def _files(name: str) -> Iterator[Path]:
    yield STATE / name
    yield Path("/run/netns", f"finetune-{name}")
    yield from (hierarchy / f"finetune-{name}" for hierarchy in cgroups.hierarchies())
    yield from Path("/var/lib/cni").glob(f"*/finetune-{name}-*")
    links = Path("/var/log/containers").glob("*")
    yield from (link for link in links if link.is_symlink() and link.readlink().is_relative_to(STATE / name))


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
