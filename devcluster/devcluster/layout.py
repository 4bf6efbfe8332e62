"""Where one cluster keeps its files, and its addresses."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import DevclusterError

STATE = Path("/var/lib/finetune-operator")
CHECKOUT = Path(__file__).resolve().parents[2]
MAX_CLUSTERS = 256

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")


def check_name(name: str) -> str:
    """Return the name; raise DevclusterError when host names, cgroups or socket paths could not carry it."""
    if not _NAME.fullmatch(name):
        raise DevclusterError(
            f"cluster name {name!r}: expected at most 20 lower-case letters, digits and dashes, beginning with a letter"
        )
    return name


def cache_folder() -> Path:
    """The folder for what is slow to make and the same for every cluster."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "finetune-operator"


@dataclass(frozen=True)
class Layout:
    """The files of one cluster. They lie in one fixed place, so that any process finds what a crashed one left."""

    name: str

    @property
    def root(self) -> Path:
        return STATE / self.name

    @property
    def record(self) -> Path:
        return self.root / "cluster.json"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.jsonl"

    @property
    def volumes(self) -> Path:
        return self.root / "volumes"

    @property
    def s3_data(self) -> Path:
        return self.root / "s3"

    @property
    def s3_credentials(self) -> Path:
        return self.root / "s3-credentials.json"

    @property
    def containerd(self) -> Path:
        return self.root / "containerd"

    @property
    def containerd_socket(self) -> Path:
        return self.containerd / "containerd.sock"

    @property
    def kubelet(self) -> Path:
        return self.root / "kubelet"

    @property
    def cgroup(self) -> str:
        """The cluster's own subtree, without a leading slash, in every cgroup hierarchy."""
        return f"finetune-{self.name}"

    @property
    def network_namespace(self) -> str:
        return f"finetune-{self.name}"

    def log(self, component: str) -> Path:
        return self.logs / f"{component}.log"

    def make(self) -> None:
        """Make the folders; only root may look inside, since keys lie here."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for folder in (self.pki, self.logs, self.config, self.volumes, self.s3_data, self.containerd, self.kubelet):
            folder.mkdir(exist_ok=True)


@dataclass(frozen=True)
class Addresses:
    """The addresses of the cluster with this index, from the range that RFC 2544 sets aside for test benches.

    The host routes all of them, so a process outside of the cluster reaches pods and Services by their addresses.
    """

    index: int

    @property
    def host(self) -> str:
        return f"198.18.{self.index}.1"

    @property
    def node(self) -> str:
        return f"198.18.{self.index}.2"

    @property
    def services(self) -> str:
        return f"198.18.{self.index}.128/25"

    @property
    def kubernetes_service(self) -> str:
        return f"198.18.{self.index}.129"

    @property
    def pods(self) -> str:
        return f"198.19.{self.index}.0/24"

    @property
    def link(self) -> str:
        """The name of the host's end of the virtual cable."""
        return f"finetune{self.index}"
