"""Images are made here and loaded from files, since there is no registry."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .commands import run
from .layout import CHECKOUT, Layout

PAUSE = "finetune.dev/pause:dev"
CHECKOUT_IMAGES = ("finetune.dev/checkout:dev", "finetune.dev/operator:dev", "finetune.dev/trainer:dev")

_PASSWD = "root:x:0:0:root:/root:/sbin/nologin\nfinetune:x:1000:1000:finetune:/:/sbin/nologin\n"
_GROUP = "root:x:0:\nfinetune:x:1000:\n"


def build_all(pause: Path, target: Path, *, with_checkout: bool) -> None:
    """Write one archive with the pause image and, if wanted, the image that runs this checkout's code.

    The latter holds next to nothing: the `checkout` runtime mounts the code and its interpreter.
    """
    with tarfile.open(target, "w") as archive:
        entrypoint = {"Entrypoint": ["/pause"], "User": "65535"}
        manifest = [_add_image(archive, [PAUSE], {"pause": pause.read_bytes()}, entrypoint)]
        if with_checkout:
            files = {"etc/passwd": _PASSWD.encode(), "etc/group": _GROUP.encode()}
            manifest.append(_add_image(archive, CHECKOUT_IMAGES, files, _checkout_config()))
        _add_file(archive, "manifest.json", json.dumps(manifest).encode())


def _checkout_config() -> dict[str, Any]:
    path = f"{CHECKOUT}/.venv/bin:/usr/local/bin:/usr/bin:/bin"
    # Nothing here may be written, and bytecode is there already.
    return {
        "User": "1000",
        "WorkingDir": str(CHECKOUT),
        "Env": [f"PATH={path}", "PYTHONDONTWRITEBYTECODE=1"],
    }


def import_archive(layout: Layout, archive: Path) -> str:
    """Load the images of a Docker or OCI archive into the cluster; return what was loaded."""
    return _ctr(layout, "images", "import", str(archive.resolve()), timeout_seconds=600)


def tag(layout: Layout, name: str, further_name: str) -> None:
    """Give an image of the cluster one more name."""
    _ctr(layout, "images", "tag", "--force", name, further_name)


def names(layout: Layout) -> list[str]:
    """The images that the cluster has, by name."""
    return [name for name in _ctr(layout, "images", "list", "--quiet").splitlines() if not name.startswith("sha256:")]


def _ctr(layout: Layout, *arguments: str, timeout_seconds: float = 60) -> str:
    address = str(layout.containerd_socket)
    return run(["ctr", "--address", address, "--namespace", "k8s.io", *arguments], timeout_seconds=timeout_seconds)


def _add_image(
    archive: tarfile.TarFile, tags: Sequence[str], files: dict[str, bytes], config: dict[str, Any]
) -> dict[str, Any]:
    layer = _layer(files)
    digest = hashlib.sha256(layer).hexdigest()
    root_files = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    image = {"architecture": _architecture(), "os": "linux", "config": config, "rootfs": root_files}
    content = json.dumps(image).encode()
    config_name = f"{hashlib.sha256(content).hexdigest()}.json"
    _add_file(archive, config_name, content)
    _add_file(archive, f"{digest}.tar", layer)
    return {"Config": config_name, "RepoTags": list(tags), "Layers": [f"{digest}.tar"]}


def _layer(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for name, content in files.items():
            _add_file(layer, name, content, mode=0o755 if content[:4] == b"\x7fELF" else 0o644)
    return buffer.getvalue()


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
