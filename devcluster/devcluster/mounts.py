"""The mount table, and taking down what a cluster has mounted."""

import ctypes
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .errors import DevclusterError

_DETACH = 2


@dataclass(frozen=True)
class Mount:
    """A mount point, and the kind of file system that it shows."""

    target: Path
    kind: str


def mounts() -> list[Mount]:
    """The mount table, oldest first."""
    table = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ", 1)
        table.append(Mount(Path(_unescape(before.split(" ")[4])), after.split(" ")[0]))
    return table


def below(folder: Path) -> list[Path]:
    """The mount points in the folder, newest first."""
    return [mount.target for mount in reversed(mounts()) if mount.target.is_relative_to(folder)]


def unmount_below(folder: Path) -> None:
    """Detach every mount in the folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    for target in below(folder):
        if libc.umount2(os.fsencode(target), _DETACH) != 0 and target in below(folder):
            raise DevclusterError(f"cannot unmount {target}: {os.strerror(ctypes.get_errno())}")


def empty(folder: Path) -> None:
    """Delete what is in the folder.

    Raises DevclusterError rather than to reach through a mount into somebody else's files.
    """
    if left := below(folder):
        raise DevclusterError(f"{folder} is not deleted: {left[0]} is still mounted")
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
