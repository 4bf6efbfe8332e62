"""Stage Data's files: what the URIs of a block of the spec stand for, made available locally."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from finetune_api.parts.data_files import DataFiles, DataFormat
from finetune_api.parts.sources import Source, parse_source
from finetune_trainer.data.formats.dialect import DELIMITERS
from finetune_trainer.data.formats.reading import format_of
from finetune_trainer.data.origins.globs import matches_pattern, split_pattern
from finetune_trainer.data.origins.hub_splits import files_of_split
from finetune_trainer.errors import BadSpec, MissingInput
from finetune_trainer.storage import Access, Storage, StoredFile, open_storage

GetAccess = Callable[[str, str | None], Access]
"""Returns how a source in the named field of the spec is reached, at a revision."""


@dataclass(frozen=True)
class DataFile:
    """A local data file; `uri` is its name, for messages."""

    path: Path
    uri: str
    data_format: DataFormat


@dataclass(frozen=True)
class Fetched:
    """The files of a block, in the order in which they are read, and the commits of the Hub's datasets by URI."""

    files: list[DataFile]
    revisions: dict[str, str] = field(default_factory=dict)


def fetch_files(wanted: DataFiles, block: str, split: str, into: Path, access: GetAccess) -> Fetched:
    """Make the files of a block, such as spec.dataset.train, available; copies go into the folder `into`.

    `split` is the one that is read of a dataset on the Hub, unless the block names another. Raises BadSpec,
    MissingInput, and what storages raise.
    """
    where = field_of(wanted, block)
    fetched = Fetched([])
    for number, uri in enumerate(wanted.uris):
        try:
            source = parse_source(uri)
        except ValueError as error:
            raise BadSpec(f"{where}: {error}", where) from error
        _Fetch(wanted, where, split, access, fetched).add(source, into / str(number))
    tables = any(file.data_format in DELIMITERS for file in fetched.files)
    if fetched.files and not tables and (wanted.delimiter or wanted.quoting):
        field = f"{block}.{'delimiter' if wanted.delimiter else 'quoting'}"
        raise BadSpec(f"{field} is for CSV and TSV, and {fetched.files[0].uri} is neither; remove it", field)
    if not fetched.files:
        raise BadSpec(f"{block} names no data; set {block}.source", block)
    return fetched


def field_of(wanted: DataFiles, block: str) -> str:
    """Return the field of a block that names its files."""
    return f"{block}.sources" if wanted.sources else f"{block}.source"


@dataclass(frozen=True)
class _Fetch:
    wanted: DataFiles
    field: str
    split: str
    access: GetAccess
    fetched: Fetched

    def add(self, source: Source, into: Path) -> None:
        """Add the files that one URI stands for."""
        if source.scheme == "hf":
            self._add_hub_files(source, into)
            return
        folder, pattern = split_pattern(source)
        storage = open_storage(folder, self.access(self.field, None))
        if pattern is None:
            self._add_file(storage.fetch_file(into), str(source))
        else:
            found = [file for file in storage.list_files() if matches_pattern(file.path, pattern)]
            self._add_found(storage, found, source, into)

    def _add_hub_files(self, source: Source, into: Path) -> None:
        from finetune_trainer.storage.hub import HubStorage

        repository = Source("hf", source.container, "")
        commit = HubStorage(repository, self.access(self.field, self.wanted.revision)).resolve_revision()
        storage = HubStorage(repository, self.access(self.field, commit))
        files = storage.list_files()
        if source.path:
            found = [file for file in files if matches_pattern(file.path, source.path)]
        else:
            names = [file.path for file in files]
            card = storage.read("README.md").decode(errors="replace") if "README.md" in names else ""
            chosen = files_of_split(names, card, self.wanted.split or self.split, self.field)
            found = [file for file in files if file.path in chosen]
        self._add_found(storage, found, source, into)
        self.fetched.revisions[str(source)] = commit

    def _add_found(self, storage: Storage, found: list[StoredFile], source: Source, into: Path) -> None:
        if not found:
            raise MissingInput(f"{source}: no file has this name or matches this pattern", self.field)
        folder = storage.fetch_files(found, into)
        for file in found:
            self._add_file(folder / file.path, str(storage.source.child(file.path)))

    def _add_file(self, path: Path, uri: str) -> None:
        data_format = format_of(uri, self.wanted.format)
        if data_format is None:
            block = self.field.rpartition(".")[0]
            raise BadSpec(f"{uri}: the ending does not tell the format; set {block}.format", f"{block}.format")
        self.fetched.files.append(DataFile(path, uri, data_format))
