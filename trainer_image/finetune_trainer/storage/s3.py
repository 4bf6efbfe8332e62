"""Files in S3 or a store that speaks its protocol: `s3://bucket/path`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore import exceptions as botocore
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from finetune_api.parts.sources import Source
from finetune_trainer.errors import BadSpec, MissingInput, NoAccess, TrainerError, Unavailable
from finetune_trainer.storage.access import ALL_FILES, PROBE_NAME, Access, StoredFile, matches
from finetune_trainer.storage.outages import GO_ON, answer_passes, distrust

INTERRUPTED = (
    Boto3Error,
    botocore.ChecksumError,
    botocore.CredentialRetrievalError,
    botocore.FlexibleChecksumError,
    botocore.IncompleteReadError,
    botocore.MetadataRetrievalError,
    botocore.TokenRetrievalError,
)
"""Transfers that broke off, and services for credentials that do not answer."""
DENIED = {
    "401",
    "403",
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "XAdminUserNotFound",
}
# Answers of clients' errors that the same request may not get again: too many at once, or a part that got lost.
PASSING = {
    "BadDigest",
    "BandwidthLimitExceeded",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InvalidPart",
    "NoSuchUpload",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentSHA256Mismatch",
}
FULL = {"QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"}
ABSENT = {"404", "NoSuchBucket", "NoSuchKey"}
ENDPOINT_KEY = "AWS_ENDPOINT_URL"
AMAZON = ".amazonaws.com"
SECRET_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
# Path-style addresses work with every store; virtual hosts need wildcard DNS. Checksums that are sent only when
# required keep older S3-compatible stores working; the manifest checks the content end to end anyway.
CLIENT_CONFIG = Config(
    # A store that takes requests and never answers is told after a minute; waiting for it is the stages' affair.
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=10,
    read_timeout=20,
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class S3Storage:
    """One key or prefix of a bucket."""

    def __init__(self, source: Source, access: Access) -> None:
        self.source = source
        self._field = access.field
        self._bucket = source.container
        values = access.credentials
        with self._errors():
            self._client: Any = boto3.client(
                "s3",
                region_name=values.get("AWS_REGION"),
                endpoint_url=values.get(ENDPOINT_KEY),
                aws_access_key_id=values.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=values.get("AWS_SECRET_ACCESS_KEY"),
                aws_session_token=values.get("AWS_SESSION_TOKEN"),
                config=CLIENT_CONFIG,
            )

    def list_files(self, patterns: Sequence[str] = ALL_FILES) -> list[StoredFile]:
        """Return the objects below the prefix."""
        prefix = f"{self.source.path}/" if self.source.path else ""
        found = []
        with self._errors():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    path = self._inside(entry["Key"].removeprefix(prefix))
                    if path and not path.endswith("/") and matches(path, patterns):
                        found.append(StoredFile(path, entry["Size"]))
        return sorted(found, key=lambda file: file.path)

    def read(self, name: str) -> bytes:
        """Return the content of one object."""
        with self._errors():
            content: bytes = self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()
            return content

    def fetch_file(self, into: Path) -> Path:
        """Copy the object into the folder `into`, under its own name."""
        return self._download(self.source.path, into / Path(self.source.path).name)

    def fetch_tree(self, into: Path, patterns: Sequence[str] = ALL_FILES) -> Path:
        """Copy the objects below the prefix into `into`; those that lie there with the right size are kept."""
        files = self.list_files(patterns)
        if not files:
            raise MissingInput(f"{self.source}: no such folder, or nothing in it that is needed", self._field)
        return self.fetch_files(files, into)

    def fetch_files(self, files: Sequence[StoredFile], into: Path) -> Path:
        """Copy listed objects into `into`; those that lie there with the right size are kept."""
        for file in files:
            target = into / file.path
            if not (target.is_file() and target.stat().st_size == file.size_bytes):
                self._download(self._key(file.path), target)
        return into

    def upload_tree(self, folder: Path, last: str) -> None:
        """Upload every file below `folder`; an older `last` is removed before, the new one is written after all."""
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        stale = [file.path for file in self.list_files() if file.path == last or file.path not in names]
        with self._errors():
            for name in stale:
                self._client.delete_object(Bucket=self._bucket, Key=self._key(name))
            for name in [*(name for name in names if name != last), *(name for name in names if name == last)]:
                self._client.upload_file(str(folder / name), self._bucket, self._key(name))

    def probe(self) -> None:
        """Write an empty object below the prefix and remove it again; who may not remove may still publish."""
        key = self._key(PROBE_NAME)
        with self._errors():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=b"")
        with suppress(BotoCoreError, ClientError):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def _download(self, key: str, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._errors():
            self._client.download_file(self._bucket, key, str(target))
        return target

    def _key(self, name: str) -> str:
        return f"{self.source.path}/{name}" if self.source.path else name

    def _inside(self, path: str) -> str:
        if ".." in path.split("/"):
            raise BadSpec(f"{self.source} holds the key {path!r}, which leaves the folder; rename it", self._field)
        return path

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError, Boto3Error, ValueError) as error:
            raise self._explain(_root_of(error)) from error

    def _explain(self, error: BaseException) -> TrainerError:
        """Turn what boto3 raised into words that name the place and what to do."""
        if isinstance(error, ClientError):
            return self._explain_answer(error)
        if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
            hint = f"name a Secret with {SECRET_KEYS}, or a serviceAccountName that the cloud knows"
            return NoAccess(f"{self.source}: no credentials; {hint}", self._field)
        if untrusted := distrust(error):
            return NoAccess(f"{self.source}: {self._host()} {untrusted}", self._field)
        if isinstance(error, HTTPClientError | botocore.ConnectionError):
            hint = self._other_store() or f"; if it never did, check {ENDPOINT_KEY}"
            return Unavailable(f"{self.source}: {self._host()} does not answer: {error}{hint}", self._field)
        kind = Unavailable if isinstance(error, INTERRUPTED) else BadSpec
        return kind(f"{self.source}: {error}", self._field)

    def _explain_answer(self, error: ClientError) -> TrainerError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if error.operation_name == "AssumeRoleWithWebIdentity" and status < 500:
            hint = "check that the role's trust policy names the ServiceAccount"
            return NoAccess(f"{self.source}: the identity of the pod's ServiceAccount is refused ({code}); {hint}")
        if code in FULL:
            words = f"{self.source}: {self._host()} has no room left for bucket {self._bucket!r} ({code})"
            return BadSpec(f"{words}; raise its quota or delete something, {GO_ON}", self._field)
        if answer_passes(status) or code in PASSING:
            return Unavailable(f"{self.source}: {self._host()} answers {status} {code}; try again later", self._field)
        if code in ABSENT:
            what = f"bucket {self._bucket!r}" if code == "NoSuchBucket" else "such object"
            hint = self._other_store() if code == "NoSuchBucket" else ""
            return MissingInput(f"{self.source}: {self._host()} has no {what}{hint}", self._field)
        if code in DENIED or status in (401, 403):
            hint = f"check {SECRET_KEYS} and the bucket's policy{self._other_store()}"
            return NoAccess(f"{self.source}: {self._host()} denies access ({code}); {hint}", self._field)
        return BadSpec(f"{self.source}: {self._host()} refuses the request: {error}", self._field)

    def _other_store(self) -> str:
        """Return how to name the store, where none is named and Amazon's was asked."""
        return f"; where the store is not Amazon's, set {ENDPOINT_KEY} to its address" if AMAZON in self._host() else ""

    def _host(self) -> str:
        return str(self._client.meta.endpoint_url)


def _root_of(error: BaseException) -> BaseException:
    """Return the answer or network error that boto3's transfer errors were raised from, or `error` itself."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ClientError | HTTPClientError):
        seen = seen.__cause__ or seen.__context__
    return seen or error
