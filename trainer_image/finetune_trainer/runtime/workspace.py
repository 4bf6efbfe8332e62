"""The run's folder on the workspace volume: where everything lies, and which stages are done."""

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from finetune_trainer.records import ModelRecord

KEPT_RUNS = 3
ENCODED = "encoded"
FORMER_OWNER_FILE = "job-uid"

Record = TypeVar("Record")


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content`, so that a reader (or a retry after a crash) sees the old or the new, never half."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def share_with_group(folder: Path) -> None:
    """Let the group that owns the volume read and write our files: the next pod may be another user of that group.

    Safetensors keeps its files for their user alone. A file system that knows no modes has nothing to share.
    """
    for path in (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        # A file that another thread replaces may be gone by now.
        with suppress(OSError):
            found = path.stat()
            wanted = stat.S_IMODE(found.st_mode) | stat.S_IRGRP | stat.S_IWGRP
            if found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) != wanted:
                path.chmod(wanted)


class Workspace:
    """`<root>/<uid of the job>/<run id>/`: one folder for each run. Several jobs may share a volume."""

    def __init__(self, root: Path, run_id: str, job_uid: str) -> None:
        self.root = root / job_uid
        self.folder = self.root / run_id
        self.root.mkdir(parents=True, exist_ok=True)
        _take_over(root, self.root, job_uid)
        self.folder.mkdir(exist_ok=True)

    @property
    def data(self) -> Path:
        """Downloaded data files, and the checked rows."""
        return self.folder / "data"

    @property
    def base(self) -> Path:
        """The downloaded base model."""
        return self.folder / "base"

    @property
    def other_models(self) -> Path:
        """One folder for each downloaded model that the task needs beside the base model."""
        return self.folder / "other-models"

    @property
    def code(self) -> Path:
        """The job's own code as it was when the run began."""
        return self.folder / "code"

    @property
    def metrics(self) -> Path:
        """The job's own metrics as they were when judging began: one folder for each."""
        return self.folder / "metrics"

    @property
    def checkpoints(self) -> Path:
        """One folder for each checkpoint, `checkpoint-<step>`."""
        return self.folder / "checkpoints"

    @property
    def curves(self) -> Path:
        """The curves for TensorBoard: one file for each attempt that trained."""
        return self.folder / "runs"

    @property
    def adapter(self) -> Path:
        """The adapters before they are merged, and what they started from."""
        return self.folder / "adapter"

    @property
    def tuned(self) -> Path:
        """The tuned model, merged."""
        return self.folder / "model"

    @property
    def export(self) -> Path:
        """What will be published."""
        return self.folder / "export"

    @property
    def encoded(self) -> Path:
        """One folder for each encoded form of training rows; shared by all runs of the job."""
        return self.root / ENCODED

    @property
    def batch_file(self) -> Path:
        """Smaller batches to use since a GPU's memory was too small."""
        return self.folder / "batch.json"

    @property
    def tracked_file(self) -> Path:
        """The last step of which the experiment tracker knows the figures."""
        return self.folder / "tracked-step"

    @property
    def report_file(self) -> Path:
        """The record of the whole run."""
        return self.folder / "report.json"

    def model_folders(self, model: ModelRecord) -> dict[str, Path]:
        """Return where models and code lie, by their names in `RunRequest.models` and `RunRequest.training_code`."""
        folders = {name: self.path(path) for name, path in model.others.items()}
        return {"model": self.path(model.folder), **folders, **{name: self.code / name for name in model.code}}

    def path(self, relative: str) -> Path:
        """Return a record's path in this workspace; absolute ones stay as they are."""
        return self.folder / relative

    def relative(self, path: Path) -> str:
        """Return how a record spells `path`."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)

    def read_marker(self, name: str, kind: type[Record]) -> Record | None:
        """Return the record of a finished stage, or None if it is not finished or of a release with other records."""
        try:
            return TypeAdapter(kind).validate_json(self._marker(name).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write_marker(self, name: str, record: object) -> None:
        """Note that a stage is finished; the last thing that it does."""
        share_with_group(self.folder)
        write_atomically(self._marker(name), TypeAdapter(type(record)).dump_json(record, indent=1))

    def has_marker(self, name: str) -> bool:
        """Whether a stage is finished."""
        return self._marker(name).exists()

    def remove_marker(self, name: str) -> bool:
        """Let a stage run again; return whether it was finished."""
        was_there = self.has_marker(name)
        self._marker(name).unlink(missing_ok=True)
        return was_there

    def prune_old_runs(self) -> list[str]:
        """Delete all but this job's three newest run folders, never this one; return the ids of those deleted."""
        runs = [path for path in self.root.iterdir() if path.name not in (self.folder.name, ENCODED)]
        runs.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        old = runs[KEPT_RUNS - 1 :]
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        return [path.name for path in old]

    def drop_intermediates(self) -> None:
        """Free the space of what a published run needs no more."""
        for path in (self.checkpoints, self.base, self.other_models):
            shutil.rmtree(path, ignore_errors=True)

    def _marker(self, name: str) -> Path:
        return self.folder / "stages" / f"{name}.json"


def _take_over(volume: Path, root: Path, job_uid: str) -> None:
    """Move in what earlier releases left of this job at the top of the volume, where all jobs' runs lay together."""
    for owner in volume.glob(f"*/{FORMER_OWNER_FILE}"):
        if owner.read_text() == job_uid and not (root / owner.parent.name).exists():
            owner.parent.rename(root / owner.parent.name)
    former = volume / ENCODED / job_uid
    if former.is_dir() and not (root / ENCODED).exists():
        former.rename(root / ENCODED)
