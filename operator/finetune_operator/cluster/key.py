"""The name of a FineTuneJob, by which it is queued and found."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Key:
    """Names a FineTuneJob."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
