"""Builds images with buildah, in a storage of its own that goes away afterwards."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from images.base import base_archive

CHECKOUT = Path(__file__).resolve().parent.parent
DOCKERFILES = {"operator": CHECKOUT / "Dockerfile", "trainer": CHECKOUT / "trainer_image" / "Dockerfile"}
BASE = "localhost/base:bookworm"
TAG = "built"
# What pip trusts here it has to trust in the build too; none of it becomes part of an image.
HOST_TRUST = ("/etc/ssl/certs", "/etc/pip.conf")


class BuildFailed(Exception):
    """A program of the build ended with an error; the message holds the end of what it said."""


@dataclass(frozen=True)
class Image:
    """A built image: its archive, and what it took."""

    reference: str
    archive: Path
    build_seconds: float
    push_seconds: float

    @property
    def archive_bytes(self) -> int:
        """Return the size of the archive, which is not compressed."""
        return self.archive.stat().st_size


class Builder:
    """One storage folder; the base is added to it once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]
        self._driver = "overlay" if self._works_with("overlay") else "vfs"

    def add_base(self) -> None:
        """Make an image of the Debian base. Raises BuildFailed."""
        context = self._folder / "base"
        context.mkdir()
        shutil.copyfile(base_archive(), context / "base.tar")
        (context / "Dockerfile").write_text('FROM scratch\nADD base.tar /\nCMD ["python3"]\n')
        self._buildah("bud", "--isolation", "chroot", "--tag", BASE, str(context))
        shutil.rmtree(context)

    def build(self, name: str) -> Image:
        """Build the image `name` (operator or trainer) and write it to an archive. Raises BuildFailed."""
        reference = f"finetune.dev/{name}:{TAG}"
        trust = [word for path in HOST_TRUST if Path(path).exists() for word in ("--volume", f"{path}:{path}:ro")]
        options = ["--isolation", "chroot", "--network", "host", *trust, "--build-arg", f"BASE={BASE}"]
        build_seconds = self._buildah(
            "bud", *options, "--tag", reference, "--file", str(DOCKERFILES[name]), str(CHECKOUT)
        )
        archive = self._folder / f"{name}.tar"
        # Unlike an OCI archive, this one is not compressed, which for its short life would only take longer.
        push_seconds = self._buildah("push", reference, f"docker-archive:{archive}:{reference}")
        return Image(reference, archive, build_seconds, push_seconds)

    def drop(self, image: Image) -> None:
        """Free the disk that the image's layers take; the archive stays."""
        self._buildah("rmi", image.reference)

    def _works_with(self, driver: str) -> bool:
        command = ["buildah", *self._storage, "--storage-driver", driver, "info"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _buildah(self, *arguments: str) -> float:
        return run_timed(["buildah", *self._storage, "--storage-driver", self._driver, *arguments])


@contextmanager
def builder(parent: Path | None = None) -> Iterator[Builder]:
    """Give a builder with the base in a folder below `parent` (default: for temporary files); remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="finetune-images-", dir=parent) as folder:
        made = Builder(Path(folder))
        made.add_base()
        yield made


def run_timed(command: Sequence[str]) -> float:
    """Run a program to its end; return the seconds it took. Raises BuildFailed."""
    started = time.monotonic()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except FileNotFoundError as error:
        raise BuildFailed(f"{command[0]} is not installed; run `python -m devcluster install --images`") from error
    if done.returncode != 0:
        raise BuildFailed(f"`{' '.join(command[:2])} …` failed:\n{done.stdout[-3000:]}")
    return time.monotonic() - started
