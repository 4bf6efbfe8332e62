"""What every storage offers, and what it needs to be reached."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from finetune_api.parts.sources import Source

ALL_FILES = ("*",)
PROBE_NAME = ".finetune-probe"


@dataclass(frozen=True)
class Credentials:
    """Values from a Secret by key, such as AWS_ACCESS_KEY_ID or HF_TOKEN. Empty: the client library's own search."""

    values: dict[str, str] = field(default_factory=dict, repr=False)

    def get(self, key: str) -> str | None:
        """Return the value of `key`, or None where it is absent or empty."""
        return self.values.get(key) or None

    @classmethod
    def from_folder(cls, folder: Path) -> "Credentials":
        """Read one value from each file of a mounted Secret; none where the folder does not exist."""
        if not folder.is_dir():
            return cls()
        files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
        return cls({path.name: path.read_text(encoding="utf-8").strip() for path in files})


@dataclass(frozen=True)
class Access:
    """How a source is reached. `field` is the spec's field that errors point at, such as `spec.model.source`.

    `revision` is the commit, tag or branch of an hf:// source.
    """

    field: str
    credentials: Credentials = Credentials()
    volumes: Path = Path("/volumes")
    revision: str | None = None


@dataclass(frozen=True)
class StoredFile:
    """One file; `path` is relative to the storage's source, with forward slashes."""

    path: str
    size_bytes: int


class Storage(Protocol):
    """A file or folder somewhere. Methods raise MissingInput, NoAccess, Unavailable or BadSpec."""

    source: Source

    def list_files(self, patterns: Sequence[str] = ALL_FILES) -> list[StoredFile]:
        """Return the files below the source whose relative path matches a pattern, sorted; none if it is absent."""

    def read(self, name: str) -> bytes:
        """Return the content of the file `name` below the source."""

    def fetch_file(self, into: Path) -> Path:
        """Make the source, a single file, available locally: a copy in the folder `into`, or its place on a volume."""

    def fetch_files(self, files: Sequence[StoredFile], into: Path) -> Path:
        """Make listed files available locally, under their paths: copies in `into`, or their place on a volume."""

    def fetch_tree(self, into: Path, patterns: Sequence[str] = ALL_FILES) -> Path:
        """Make the source, a folder, available locally: a copy in `into`, or its place on a volume."""

    def upload_tree(self, folder: Path, last: str) -> None:
        """Replace the source by the local `folder`; the file `last` appears when all others are in place."""

    def probe(self) -> None:
        """Write a small file at the source and remove it again. Raises what `upload_tree` would."""


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether a relative path matches one of the shell patterns; `*` crosses slashes."""
    return any(fnmatch(path, pattern) for pattern in patterns)
