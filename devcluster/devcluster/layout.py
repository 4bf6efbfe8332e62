"""Where one cluster keeps its files, and its addresses."""

import os
import re
from pathlib import Path

from .errors import DevclusterError

STATE = Path("/var/lib/finetune-operator")
CHECKOUT = Path(__file__).resolve().parents[2]
MAX_CLUSTERS = 256
NETWORK = "198.18.0.0/15"
"""Every address of every cluster; RFC 2544 sets the range aside for test benches."""

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


class Layout:
    """The files of one cluster. They lie in one fixed place, so that any process finds what a crashed one left."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = STATE / name
        self.record = self.root / "cluster.json"
        self.kubeconfig = self.root / "kubeconfig"
        self.pki = self.root / "pki"
        self.config = self.root / "config"
        self.logs = self.root / "logs"
        self.audit_log = self.logs / "audit.jsonl"
        self.containerd = self.root / "containerd"
        self.containerd_socket = self.containerd / "containerd.sock"
        self.kubelet = self.root / "kubelet"
        self.volumes = self.root / "volumes"
        self.s3_data = self.root / "s3"
        self.s3_credentials = self.root / "s3-credentials.json"
        self.network_namespace = f"finetune-{name}"
        # The cluster's own subtree in every cgroup hierarchy.
        self.cgroup = f"finetune-{name}"

    def log(self, component: str) -> Path:
        """The file that holds what a component says."""
        return self.logs / f"{component}.log"

    def make(self) -> None:
        """Make the folders; only root may look inside, since keys lie here."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for folder in (self.pki, self.config, self.logs, self.containerd, self.kubelet, self.volumes, self.s3_data):
            folder.mkdir(exist_ok=True)


class Addresses:
    """The addresses of the cluster with this index.

    The host routes all of them, so a process outside of the cluster reaches pods and Services by their addresses.
    """

    def __init__(self, index: int) -> None:
        self.host = f"198.18.{index}.1"
        self.node = f"198.18.{index}.2"
        self.services = f"198.18.{index}.128/25"
        self.kubernetes_service = f"198.18.{index}.129"
        self.pods = f"198.19.{index}.0/24"
        # The name of the host's end of the virtual cable, and what every address above begins with.
        self.link = f"finetune{index}"
        self.pattern = re.compile(rf"198\.1[89]\.{index}\.")
