"""How containerd is configured: two ways to run a container, one of them with this checkout mounted."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .commands import run
from .component import Component, socket_ready
from .errors import DevclusterError
from .files import write_json, write_text
from .images import PAUSE
from .layout import CHECKOUT, Addresses, Layout
from .mounts import mounts

CNI_PLUGINS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))

# What a program of the host needs in order to run in a container, besides its own files.
_HOST_FILES = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ssl", "/etc/alternatives", "/etc/ld.so.cache")

_CONFIG = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing"]

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Some machines refuse negative scores, and then no container starts.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{cni_plugins}"
  conf_dir = "{cni_config}"

[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "{default_runtime}"
  snapshotter = "{snapshotter}"
"""

_RUNTIME = """
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
  runtime_type = "io.containerd.runc.v2"
  base_runtime_spec = "{spec}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}.options]
  Root = "{folder}/runc"
"""


def containerd(layout: Layout, addresses: Addresses, *, plain_images: bool) -> Component:
    """The container runtime. Its runtimes `checkout` and `plain` are RuntimeClasses too."""
    layout.containerd.mkdir(exist_ok=True)
    config = _CONFIG.format(
        folder=layout.containerd,
        socket=layout.containerd_socket,
        pause=PAUSE,
        cni_plugins=cni_plugins(),
        cni_config=_write_cni_config(layout, addresses),
        default_runtime="plain" if plain_images else "checkout",
        snapshotter=_snapshotter(layout.containerd),
    )
    config += _RUNTIME.format(name="plain", spec="", folder=layout.containerd)
    config += _RUNTIME.format(name="checkout", spec=_write_checkout_spec(layout), folder=layout.containerd)
    path = write_text(layout.config / "containerd.toml", config)
    return Component("containerd", [f"--config={path}"], socket_ready(layout.containerd_socket), Path("containerd"))


def cni_plugins() -> Path:
    """The folder of the network plugins. Raises DevclusterError when they are not installed."""
    for folder in CNI_PLUGINS:
        if (folder / "ptp").exists():
            return folder
    raise DevclusterError("the CNI plugins are not installed: run `python -m devcluster install`")


def cni_network(layout: Layout) -> str:
    """The network's name, which plugins put into the names of files that they keep outside of the cluster."""
    return f"finetune-{layout.name}"


def _write_cni_config(layout: Layout, addresses: Addresses) -> Path:
    """Every pod has a cable to the node, so all traffic is routed and Services work without bridge filtering."""
    folder = layout.config / "cni"
    folder.mkdir(exist_ok=True)
    plugin: dict[str, Any] = {
        "type": "ptp",
        "ipam": {
            "type": "host-local",
            "subnet": addresses.pods,
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(layout.containerd / "addresses"),
        },
    }
    document = {"cniVersion": "0.4.0", "name": cni_network(layout), "plugins": [plugin]}
    write_json(folder / "10-pods.conflist", document)
    return folder


def _snapshotter(folder: Path) -> str:
    """Overlays cannot lie on an overlay, which is what the disk is inside of a container."""
    holding = [mount for mount in mounts() if folder.is_relative_to(mount.target)]
    nearest = max(holding, key=lambda mount: len(mount.target.parts))
    return "native" if nearest.kind == "overlay" else "overlayfs"


def _write_checkout_spec(layout: Layout) -> Path:
    spec = json.loads(run(["ctr", "oci", "spec"]))
    spec["mounts"] += [_read_only(path) for path in checkout_mounts()]
    return write_json(layout.config / "checkout-spec.json", spec)


def _read_only(path: Path) -> dict[str, Any]:
    options = ["rbind", "rprivate", "ro", "nosuid", "nodev"]
    return {"destination": str(path), "type": "bind", "source": str(path), "options": options}


def checkout_mounts() -> list[Path]:
    """The host's folders that the project's code needs, without those that lie in another of them."""
    venv = CHECKOUT / ".venv"
    wanted = [*map(Path, _HOST_FILES), _base_prefix(venv), venv.resolve(), CHECKOUT]
    there = [path for path in dict.fromkeys(wanted) if path.exists()]
    return [path for path in there if not any(path != other and path.is_relative_to(other) for other in there)]


def _base_prefix(venv: Path) -> Path:
    python = venv / "bin" / "python"
    if not os.access(python, os.X_OK):
        return Path(sys.base_prefix)
    code = "import sys; print(sys.base_prefix)"
    return Path(subprocess.run([python, "-Ic", code], check=True, capture_output=True, text=True).stdout.strip())
