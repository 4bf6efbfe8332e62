"""Taking a cluster down, whatever state it is in: only what is provably this cluster's is touched."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import cgroups, mounts, network, records, sysctls
from .containerd import cni_network
from .layout import Layout
from .processes import kill_all
from .records import Record

_CONTAINER_LINKS = Path("/var/log/containers")
_CNI_FOLDERS = (Path("/var/lib/cni/results"), Path("/var/lib/cni/cache"), Path("/var/lib/cni"))


def exists(layout: Layout) -> bool:
    """Whether anything of the cluster is there."""
    groups = (hierarchy / layout.cgroup for hierarchy in cgroups.hierarchies())
    traces = [layout.root, network.NAMESPACES / layout.network_namespace, *groups]
    return any(trace.exists() for trace in traces)


def sweep(layout: Layout, record: Record | None) -> None:
    """End the cluster's processes and remove its mounts, network, cgroups and files, while its lock is held.

    Raises DevclusterError when something resists; sweeping again then goes on where this ended.
    """
    kill_all(layout)
    for stray in [*_shim_sockets(layout), *_container_links(layout), *_cni_results(layout)]:
        stray.unlink(missing_ok=True)
    _remove_if_empty(_CONTAINER_LINKS, *_CNI_FOLDERS)
    mounts.unmount_below(layout.root)
    network.remove(layout.network_namespace, record.addresses.link if record else None)
    cgroups.remove(layout.cgroup)
    with records.machine_lock():
        if record and not any(other.name != layout.name for other in records.all_records()):
            sysctls.restore(record.sysctls)
        layout.record.unlink(missing_ok=True)
    # Images may be gigabytes of small files: other clusters need not wait until they are deleted.
    mounts.empty(layout.root)


def _shim_sockets(layout: Layout) -> Iterator[Path]:
    """containerd's shims listen outside of its folders, at addresses that they write down inside."""
    for file in (layout.containerd / "state").glob("io.containerd.runtime.v2.task/*/*/address"):
        yield Path(file.read_text().strip().removeprefix("unix://"))


def _container_links(layout: Layout) -> Iterator[Path]:
    """The kubelet links every container's log here, wherever its logs lie."""
    if _CONTAINER_LINKS.exists():
        for link in _CONTAINER_LINKS.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(layout.root):
                yield link


def _cni_results(layout: Layout) -> Iterator[Path]:
    """Plugins keep what they answered in one folder for all networks; pods that were deleted are gone from it."""
    ours = re.compile(rf"{re.escape(cni_network(layout))}-([0-9a-f]{{64}})-")
    for folder in _CNI_FOLDERS[:2]:
        files = list(folder.iterdir()) if folder.exists() else []
        sandboxes = {found[1] for file in files if (found := ours.match(file.name))}
        sandboxes |= {path.name for path in layout.containerd.glob("root/io.containerd.grpc.v1.cri/sandboxes/*")}
        yield from (file for file in files if any(sandbox in file.name for sandbox in sandboxes))


def _remove_if_empty(*folders: Path) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
