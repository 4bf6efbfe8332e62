"""Checkpoints that are complete or ignored: a marker, written last, lists the files with their sizes."""

import json
import os
import shutil
from pathlib import Path

from finetune_trainer.runtime.workspace import share_with_group, write_atomically

MARKER = "COMPLETE"
PREFIX = "checkpoint-"
KEPT_CHECKPOINTS = 2


def step_of(checkpoint: Path) -> int:
    """Return the optimizer step that a checkpoint's folder is named after."""
    return int(checkpoint.name.removeprefix(PREFIX))


def mark_complete(checkpoint: Path) -> None:
    """Flush the checkpoint's files to disk, then mark it as complete."""
    share_with_group(checkpoint)
    sizes = {}
    for path in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        sizes[path.relative_to(checkpoint).as_posix()] = path.stat().st_size
    write_atomically(checkpoint / MARKER, json.dumps({"files": sizes}))


def is_complete(checkpoint: Path) -> bool:
    """Tell whether the marker is there and every file that it lists has its size."""
    try:
        sizes: dict[str, int] = json.loads((checkpoint / MARKER).read_bytes())["files"]
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError):
        return False


def newest_complete(folder: Path) -> Path | None:
    """Return the newest complete checkpoint in `folder`; torn ones are deleted on the way."""
    complete = []
    for path in _checkpoints(folder):
        if is_complete(path):
            complete.append(path)
        else:
            shutil.rmtree(path)
    return complete[-1] if complete else None


def prune(folder: Path) -> None:
    """Delete all complete checkpoints but the newest two."""
    for path in [path for path in _checkpoints(folder) if is_complete(path)][:-KEPT_CHECKPOINTS]:
        (path / MARKER).unlink()
        shutil.rmtree(path)


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()), key=step_of)
