"""One pod at a time works in a run's folder: the next one waits until the last one has ended, on whatever node."""

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from finetune_trainer.log import say

LOCK_FILE = "lock"
HOLDER_FILE = "lock-holder"
POLL_SECONDS = 1.0


def take_turn(folder: Path, waiting: Callable[[str | None], None]) -> FileLock:
    """Return the lock on the folder once no other process has it; it is let go when this process ends, however it does.

    waiting: told whom it waits for, and None when that is over. A volume that knows no locks is used without one.
    """
    lock = FileLock(folder / LOCK_FILE)
    told = False
    while True:
        try:
            lock.acquire(timeout=POLL_SECONDS if told else 0)
        except Timeout:
            if not told:
                waiting(
                    f"{_holder(folder)} still works in this run's folder on the workspace volume; it may take its"
                    " grace period to end"
                )
            told = True
            continue
        except (NotImplementedError, OSError) as error:
            say("run", f"the workspace volume knows no locks ({error}); going on without one")
        break
    if told:
        waiting(None)
    with suppress(OSError):
        (folder / HOLDER_FILE).write_text(socket.gethostname())
    return lock


def _holder(folder: Path) -> str:
    try:
        return f"pod {(folder / HOLDER_FILE).read_text()}"
    except OSError:
        return "another pod"
