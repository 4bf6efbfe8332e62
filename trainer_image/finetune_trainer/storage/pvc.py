"""Files on a mounted PersistentVolumeClaim: `pvc://claim/path` is `<volumes>/claim/path`."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from finetune_api.parts.sources import Source
from finetune_trainer.errors import BadSpec, MissingInput, NoAccess, Unavailable
from finetune_trainer.storage.access import ALL_FILES, PROBE_NAME, Access, StoredFile, matches
from finetune_trainer.storage.outages import GO_ON, error_passes


class VolumeStorage:
    """Reads in place; writes to a neighbouring folder that is renamed when it is whole."""

    def __init__(self, source: Source, access: Access) -> None:
        self.source = source
        self._field = access.field
        claim = self._volume = access.volumes / source.container
        self._path = claim / source.path
        with self._errors():
            if not claim.is_dir():
                raise MissingInput(f"{source}: claim {source.container!r} is not mounted at {claim}", self._field)
            if not self._path.resolve().is_relative_to(claim.resolve()):
                raise BadSpec(f"{source} leaves the claim {source.container!r}; use a path inside of it", self._field)

    def list_files(self, patterns: Sequence[str] = ALL_FILES) -> list[StoredFile]:
        """Return the files below the path."""
        with self._errors():
            names = {path.relative_to(self._path).as_posix(): path for path in self._path.rglob("*") if path.is_file()}
            return [StoredFile(name, names[name].stat().st_size) for name in sorted(names) if matches(name, patterns)]

    def read(self, name: str) -> bytes:
        """Return the content of one file."""
        with self._errors():
            return (self._path / name).read_bytes()

    def fetch_file(self, into: Path) -> Path:
        """Return the file's place on the volume; `into` is not used."""
        del into
        with self._errors():
            return self._existing(self._path.is_file(), "file")

    def fetch_files(self, files: Sequence[StoredFile], into: Path) -> Path:
        """Return the folder's place on the volume; nothing is copied."""
        del into
        claim = self._volume.resolve()
        for file in files:
            if not (self._path / file.path).resolve().is_relative_to(claim):
                name = self.source.child(file.path)
                raise BadSpec(
                    f"{name} leaves the claim {self.source.container!r} by a link; copy the file", self._field
                )
        return self._path

    def fetch_tree(self, into: Path, patterns: Sequence[str] = ALL_FILES) -> Path:
        """Return the folder's place on the volume; nothing is copied."""
        del into, patterns
        with self._errors():
            return self._existing(self._path.is_dir(), "folder")

    def upload_tree(self, folder: Path, last: str) -> None:
        """Copy `folder` beside its place, then swap it in by renaming; `last` therefore appears with the others."""
        del last
        partial = self._path.with_name(f".{self._path.name}.partial")
        replaced = self._path.with_name(f".{self._path.name}.replaced")
        with self._errors():
            for leftover in (partial, replaced):
                shutil.rmtree(leftover, ignore_errors=True)
            partial.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copytree(folder, partial, copy_function=_copy_durably)
            except _CopyFailed as failed:
                raise failed.__cause__ or failed from None
            if self._path.exists():
                self._path.rename(replaced)
            partial.rename(self._path)
            shutil.rmtree(replaced, ignore_errors=True)

    def probe(self) -> None:
        """Write an empty file into the folder that the source will lie in, and remove it again."""
        with self._errors():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            (self._path.parent / PROBE_NAME).write_bytes(b"")
            (self._path.parent / PROBE_NAME).unlink(missing_ok=True)

    def _existing(self, exists: bool, kind: str) -> Path:
        if not exists:
            claim = self.source.container
            raise MissingInput(f"{self.source}: no such {kind} on the volume of claim {claim!r}", self._field)
        return self._path

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise MissingInput(f"{self.source}: {error.filename} does not exist", self._field) from error
        except PermissionError as error:
            raise NoAccess(
                f"{self.source}: no permission for {error.filename}; the pod runs as user and group 1000", self._field
            ) from error
        except OSError as error:
            raise self._explain(error) from error

    def _explain(self, error: OSError) -> BadSpec | NoAccess | Unavailable:
        claim = self.source.container
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return BadSpec(f"{self.source}: the volume of claim {claim!r} is full; enlarge it, {GO_ON}", self._field)
        if error.errno == errno.EROFS:
            return NoAccess(f"{self.source}: the volume of claim {claim!r} is read-only", self._field)
        words = f"{self.source}: {error.strerror or error} ({error.filename or self._path})"
        return Unavailable(words, self._field) if error_passes(error) else BadSpec(words, self._field)


class _CopyFailed(Exception):
    """Ends the copying of a tree, which goes on after an OSError and tells only the words of it."""


def _copy_durably(source: str, target: str) -> str:
    try:
        shutil.copyfile(source, target)
        with Path(target).open("rb") as copied:
            os.fsync(copied.fileno())
    except OSError as error:
        raise _CopyFailed from error
    return target
