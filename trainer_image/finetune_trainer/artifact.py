"""The published folder's manifest: which files it holds, and the one digest that stands for all of them."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from finetune_api.handoff import MANIFEST_NAME
from finetune_api.schema import Tolerant
from finetune_trainer.errors import CorruptArtifact, MissingInput

MANIFEST_VERSION = 1
EVALUATION_FILE = "evaluation.json"
"""What the run did and how it was judged, beside the model."""


class ArtifactFile(Tolerant):
    """One file of the folder; `path` is relative, with forward slashes."""

    path: str
    size_bytes: int
    sha256: str = Field(description="Hex digest of the content.")


class Manifest(Tolerant):
    """The list of files, sorted by path, and its digest. `owner` is the uid of the FineTuneJob that published them."""

    version: int = MANIFEST_VERSION
    files: list[ArtifactFile]
    digest: str
    owner: str | None = None

    @property
    def size_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def paths(self) -> list[str]:
        """Return the files' relative paths."""
        return [file.path for file in self.files]


def digest_of(files: Iterable[ArtifactFile]) -> str:
    """Return `sha256:<hex>` over one line `path<TAB>size<TAB>sha256` for each file, sorted by path."""
    listing = "".join(f"{file.path}\t{file.size_bytes}\t{file.sha256}\n" for file in sorted(files, key=_path_of))
    return f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"


def build_manifest(folder: Path) -> Manifest:
    """Read every file below `folder` but the manifest itself, and list them with their digest."""
    files = [_describe(folder, path) for path in folder.rglob("*") if path.is_file()]
    files = sorted((file for file in files if file.path != MANIFEST_NAME), key=_path_of)
    return Manifest(files=files, digest=digest_of(files))


def write_manifest(folder: Path, owner: str | None = None) -> Manifest:
    """Build the manifest of `folder` and write it beside the files; `owner` is the publishing FineTuneJob's uid."""
    manifest = build_manifest(folder).model_copy(update={"owner": owner})
    text = manifest.model_dump_json(by_alias=True, indent=1, exclude_none=True)
    (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")
    return manifest


def parse_manifest(text: bytes | str, place: str) -> Manifest:
    """Parse a manifest that was read from `place` (a URI or path, for messages).

    Raises CorruptArtifact if it is no manifest, its digest is not that of its list, or a path leaves the folder.
    """
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise CorruptArtifact(f"{place}/{MANIFEST_NAME} is not a manifest: {error.errors()[0]['msg']}") from error
    if manifest.digest != digest_of(manifest.files):
        raise CorruptArtifact(f"{place}/{MANIFEST_NAME} states digest {manifest.digest}, but its list of files differs")
    for path in manifest.paths:
        if path.startswith("/") or ".." in path.split("/"):
            raise CorruptArtifact(f"{place}/{MANIFEST_NAME} names {path!r}, which is outside of the folder")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a local folder. Raises MissingInput if there is none, CorruptArtifact if it is damaged."""
    try:
        text = (folder / MANIFEST_NAME).read_bytes()
    except FileNotFoundError as error:
        raise MissingInput(f"{folder} holds no {MANIFEST_NAME}: it is not a published model") from error
    return parse_manifest(text, str(folder))


def run_of(folder: Path) -> str:
    """Return the id of the run that made a published model, empty if the folder does not tell."""
    try:
        return str(json.loads((folder / EVALUATION_FILE).read_bytes())["job"]["runId"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def verify(folder: Path, digest: str) -> Manifest:
    """Check that `folder` holds exactly the files that `digest` stands for.

    Raises MissingInput if there is no manifest, CorruptArtifact naming the first file that differs, is missing or
    is too many.
    """
    manifest = read_manifest(folder)
    if manifest.digest != digest:
        raise CorruptArtifact(f"{folder} has digest {manifest.digest}, expected {digest}")
    found = {file.path: file for file in build_manifest(folder).files}
    for file in manifest.files:
        _check(folder, file, found.pop(file.path, None))
    if found:
        raise CorruptArtifact(f"{folder / next(iter(found))} is not in the manifest; remove it")
    return manifest


def verify_files(folder: Path, manifest: Manifest, names: Iterable[str]) -> None:
    """Check that those files of `folder` are the manifest's; it may hold fewer than were published.

    Raises CorruptArtifact naming the first file that differs, is missing or is too many.
    """
    listed = {file.path: file for file in manifest.files}
    for name in sorted(set(names) - {MANIFEST_NAME}):
        if name not in listed:
            raise CorruptArtifact(f"{folder / name} is not in the manifest; remove it")
        _check(folder, listed[name], _describe(folder, folder / name) if (folder / name).is_file() else None)


def _check(folder: Path, expected: ArtifactFile, found: ArtifactFile | None) -> None:
    if found is None:
        raise CorruptArtifact(f"{folder / expected.path} is missing; expected {expected.size_bytes} bytes")
    if found != expected:
        raise CorruptArtifact(
            f"{folder / expected.path} has {found.size_bytes} bytes with sha256 {found.sha256},"
            f" expected {expected.size_bytes} bytes with sha256 {expected.sha256}"
        )


def _describe(folder: Path, path: Path) -> ArtifactFile:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return ArtifactFile(path=path.relative_to(folder).as_posix(), size_bytes=path.stat().st_size, sha256=sha256)


def _path_of(file: ArtifactFile) -> str:
    return file.path
