"""What is known about each cluster of this machine, kept in a file so that any process can take it down."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import network, sysctls
from .errors import DevclusterError, WrongOwner
from .files import write_private
from .layout import CHECKOUT, MAX_CLUSTERS, STATE, Addresses, Layout
from .locks import locked
from .processes import Process


@dataclass(frozen=True)
class Options:
    """What a cluster was started with."""

    control_plane_only: bool = False
    scheduler: bool = True
    gpus: int = 4
    plain_images: bool = False

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in asdict(self).items())

    @property
    def with_node(self) -> bool:
        """Whether pods can run."""
        return not self.control_plane_only


@dataclass
class Record:
    """One cluster: its number among this machine's clusters, its owner, its processes."""

    name: str
    index: int
    checkout: str
    options: Options
    programs: str
    sysctls: dict[str, str]
    """The machine's settings before the first cluster changed them."""
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def addresses(self) -> Addresses:
        """Where the cluster answers."""
        return Addresses(self.index)

    def save(self) -> None:
        """Write the record, whole or not at all."""
        write_private(Layout(self.name).record, json.dumps(asdict(self), indent=1).encode())


def read(layout: Layout) -> Record | None:
    """The cluster's record, or None when there is no such cluster, or one that died before it was recorded."""
    try:
        document: dict[str, Any] = json.loads(layout.record.read_text())
    except FileNotFoundError:
        return None
    except PermissionError:
        raise DevclusterError(f"{layout.root} belongs to root: run this with sudo") from None
    document["options"] = Options(**document["options"])
    document["processes"] = {name: Process(**one) for name, one in document["processes"].items()}
    return Record(**document)


def all_records() -> Iterator[Record]:
    """The records of every cluster of this machine."""
    for path in sorted(STATE.glob("*/cluster.json")):
        record = read(Layout(path.parent.name))
        if record is not None:
            yield record


def claim(layout: Layout, options: Options, programs: str) -> Record:
    """Take a number that is free, and record the cluster as this checkout's, before anything of it exists."""
    with machine_lock():
        others = list(all_records())
        taken = {other.index for other in others}
        index = next((i for i in range(MAX_CLUSTERS) if i not in taken and network.is_free(Addresses(i))), None)
        if index is None:
            raise DevclusterError(f"no free network among {MAX_CLUSTERS}: take clusters down that are not needed")
        before = others[0].sysctls if others else sysctls.read()
        layout.make()
        record = Record(layout.name, index, str(CHECKOUT), options, programs, before)
        record.save()
        return record


def check_owner(record: Record) -> None:
    """Raise WrongOwner when another checkout started the cluster, unless that checkout is gone."""
    if record.checkout != str(CHECKOUT) and _exists(record.checkout):
        raise WrongOwner(
            f"cluster {record.name!r} belongs to the checkout {record.checkout}, not to {CHECKOUT}: "
            f"choose another name, or take it down there"
        )


def _exists(checkout: str) -> bool:
    return Path(checkout, "devcluster").exists()


def machine_lock() -> AbstractContextManager[None]:
    """Held for the moments in which what all clusters share is read and changed."""
    return locked(STATE, timeout_seconds=30, busy=f"another process has held the lock on {STATE} for 30 s")


def cluster_lock(layout: Layout, *, timeout_seconds: float = 120) -> AbstractContextManager[None]:
    """Held while a cluster is started or taken down. It is the lock on the cluster's folder, so that goes last."""
    busy = f"another process is starting cluster {layout.name!r} or taking it down"
    return locked(layout.root, timeout_seconds=timeout_seconds, busy=busy)
