"""What FineTuneJobs see of each other: whose models a spec reads, and what a reader has to know of such a job."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from finetune_api.keys import Phase
from finetune_api.reading import readable
from finetune_api.status import ArtifactStatus
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import is_deleting

JOB_SCHEME = "job://"


@dataclass(frozen=True)
class PublishedModel:
    """A published artifact, and the Secret that it was published with, if any."""

    run: str
    uri: str
    digest: str
    secret: str | None


@dataclass(frozen=True)
class SourceView:
    """All that matters of a FineTuneJob to those that read its model; anything else may change unnoticed.

    message: why it failed, empty as long as it has not. sources: names of the FineTuneJobs that it reads itself.
    """

    phase: str
    reason: str
    message: str
    model: PublishedModel | None
    sources: frozenset[str]
    deleting: bool


def view_of(manifest: Manifest) -> SourceView:
    """Read a FineTuneJob as those see it that read its model."""
    status = manifest.get("status") or {}
    phase = str(status.get("phase") or Phase.PENDING)
    return SourceView(
        phase=phase,
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or "") if phase == Phase.FAILED else "",
        model=_model(manifest, status.get("artifact")),
        sources=sources_of(manifest),
        deleting=is_deleting(manifest),
    )


def sources_of(manifest: Manifest) -> frozenset[str]:
    """Return the names of the FineTuneJobs whose models the spec reads."""
    return frozenset(_names(manifest.get("spec") or {}))


def _names(data: Any) -> Iterator[str]:
    """Look for sources everywhere, so that a task's further models are found without knowing the task."""
    if isinstance(data, dict):
        source = data.get("source")
        if isinstance(source, str) and source.startswith(JOB_SCHEME):
            yield source.removeprefix(JOB_SCHEME)
        for value in data.values():
            yield from _names(value)


def _model(manifest: Manifest, status: Any) -> PublishedModel | None:
    artifact = readable(ArtifactStatus, status)
    if artifact is None:
        return None
    output = manifest["spec"].get("output") or {}
    secret = (output.get("secretRef") or {}).get("name")
    return PublishedModel(artifact.run, artifact.uri, artifact.digest, secret)
