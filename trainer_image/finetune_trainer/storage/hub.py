"""Models and datasets on the Hugging Face Hub: `hf://organisation/name`, `hf://datasets/organisation/name`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from finetune_api.parts.sources import Source
from finetune_trainer.errors import BadSpec, MissingInput, NoAccess, TrainerError, Unavailable
from finetune_trainer.storage.access import ALL_FILES, Access, StoredFile, matches
from finetune_trainer.storage.outages import answer_passes, distrust, is_local

TOKEN_HINT = "if it is private or gated, name a Secret with HF_TOKEN in {block}.secretRef"
DATASETS = "datasets/"
EXPLANATIONS: tuple[tuple[type[Exception], type[TrainerError], str], ...] = (
    (GatedRepoError, NoAccess, "is gated on {host}; accept its terms there, and name a Secret with HF_TOKEN"),
    (RepositoryNotFoundError, MissingInput, "is not on {host}; check the name; {token_hint}"),
    (RevisionNotFoundError, MissingInput, "has no revision {revision!r} on {host}; check the name"),
    (RemoteEntryNotFoundError, MissingInput, "lacks a file on {host}"),
    (
        HFValidationError,
        BadSpec,
        "is not a repository name; expected hf://organisation/name or hf://datasets/organisation/name",
    ),
    (LocalEntryNotFoundError, Unavailable, "cannot be fetched: {host} does not answer; can the pod reach it?"),
    (OfflineModeIsEnabled, BadSpec, "cannot be fetched: HF_HUB_OFFLINE is set; take it out, or use s3:// or pvc://"),
    (FileMetadataError, BadSpec, "cannot be fetched: {host} does not answer as the Hub does; check HF_ENDPOINT"),
    (httpx2.TransportError, Unavailable, "cannot be fetched: {host} does not answer; can the pod reach it?"),
)

XET: tuple[tuple[type[Exception], type[TrainerError]], ...] = (
    (PermissionError, NoAccess),
    (FileNotFoundError, MissingInput),
)
"""What Xet, the Hub's store of large files, raises; for networks and stores that fail it is RuntimeError."""


class HubStorage:
    """One model repository at one revision. Read-only."""

    def __init__(self, source: Source, access: Access) -> None:
        self.source = source
        self._field = access.field
        self._revision = access.revision or "main"
        self._repository = source.container.removeprefix(DATASETS)
        self._kind = "dataset" if source.container.startswith(DATASETS) else "model"
        self._api = HfApi(endpoint=access.credentials.get("HF_ENDPOINT"), token=access.credentials.get("HF_TOKEN"))

    def resolve_revision(self) -> str:
        """Return the commit that the revision stands for now."""
        with self._errors():
            return str(self._info().sha)

    def list_files(self, patterns: Sequence[str] = ALL_FILES) -> list[StoredFile]:
        """Return the repository's files."""
        with self._errors():
            info = self._info(files_metadata=True)
        files = [StoredFile(sibling.rfilename, sibling.size or 0) for sibling in info.siblings or []]
        return sorted((file for file in files if matches(file.path, patterns)), key=lambda file: file.path)

    def read(self, name: str) -> bytes:
        """Return the content of one file."""
        with self._errors():
            path = self._api.hf_hub_download(self._repository, name, repo_type=self._kind, revision=self._revision)
        return Path(path).read_bytes()

    def fetch_file(self, into: Path) -> Path:
        """Refuse: an hf:// URI names a repository."""
        del into
        raise BadSpec(f"{self.source} names a repository, not a file; use s3:// or pvc://", self._field)

    def fetch_files(self, files: Sequence[StoredFile], into: Path) -> Path:
        """Download listed files into `into`; what is there already is kept."""
        with self._errors():
            for file in files:
                self._api.hf_hub_download(
                    self._repository, file.path, repo_type=self._kind, revision=self._revision, local_dir=into
                )
        return into

    def fetch_tree(self, into: Path, patterns: Sequence[str] = ALL_FILES) -> Path:
        """Download the matching files into `into`; what is there already is kept."""
        with self._errors():
            self._api.snapshot_download(
                self._repository,
                repo_type=self._kind,
                revision=self._revision,
                local_dir=into,
                allow_patterns=list(patterns),
            )
        return into

    def upload_tree(self, folder: Path, last: str) -> None:
        """Refuse: results are published to S3 or a volume."""
        del folder, last
        raise BadSpec(f"{self.source}: results are published to s3:// or pvc:// only", self._field)

    def probe(self) -> None:
        """Refuse, as `upload_tree` does."""
        self.upload_tree(Path(), "")

    def _info(self, **options: bool) -> Any:
        return self._api.repo_info(self._repository, repo_type=self._kind, revision=self._revision, **options)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.HTTPError, HFValidationError, OSError, RuntimeError) as error:
            found = self._explain(_root_of(error))
            if found is None:
                raise
            raise found from error

    def _explain(self, error: BaseException) -> TrainerError | None:
        """Turn what huggingface_hub raised into words that name the place and what to do.

        Return None for what has nothing to do with the Hub, such as a full disk.
        """
        host = self._api.endpoint
        block = self._field.rpartition(".")[0]
        # One Secret serves all blocks of spec.dataset.
        hint = TOKEN_HINT.format(block="spec.dataset" if self._kind == "dataset" else block)
        if untrusted := distrust(error):
            return NoAccess(f"{self.source}: {host} {untrusted}", self._field)
        for kind, error_class, words in EXPLANATIONS:
            if isinstance(error, kind):
                field = f"{block}.revision" if kind is RevisionNotFoundError else self._field
                found = words.format(host=host, revision=self._revision, token_hint=hint)
                return error_class(f"{self.source} {found}", field)
        if isinstance(error, HfHubHTTPError):
            return self._explain_answer(error.response.status_code, hint)
        if is_local(error):
            return None
        xet = next((error_class for kind, error_class in XET if isinstance(error, kind)), Unavailable)
        return xet(f"{self.source}: the file store of {host}: {error}", self._field)

    def _explain_answer(self, status: int, hint: str) -> TrainerError:
        host = self._api.endpoint
        if status in (401, 403):
            return NoAccess(f"{self.source}: {host} denies access; {hint}", self._field)
        if answer_passes(status):
            return Unavailable(f"{self.source}: {host} answers HTTP {status}; try again later", self._field)
        return BadSpec(f"{self.source}: {host} refuses the request with HTTP {status}; check HF_ENDPOINT", self._field)


def _root_of(error: BaseException) -> BaseException:
    """Return why a file could not be located, which huggingface_hub takes for a network that fails, or `error`."""
    cause = error.__cause__
    return cause if isinstance(error, LocalEntryNotFoundError) and cause is not None else error
