"""Locks that leave no file behind and end with the process that holds them."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import DevclusterError


@contextmanager
def locked(folder: Path, *, timeout_seconds: float, busy: str) -> Iterator[None]:
    """Hold the lock on a folder, which is made for it and goes with it if it is empty at the end.

    Raises DevclusterError with the text `busy` when another process holds it for longer than the timeout.
    """
    deadline = time.monotonic() + timeout_seconds
    while (held := _try(folder)) is None:
        if time.monotonic() > deadline:
            raise DevclusterError(busy)
        time.sleep(0.1)
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()
        os.close(held)


def _try(folder: Path) -> int | None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The folder may have been removed and made anew since it was opened: then this lock guards nothing.
        if folder.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
