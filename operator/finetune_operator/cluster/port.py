"""What the operator asks of a cluster. Everything above this package knows only this page.

Manifests are plain data. Reads return None or an empty list where nothing is; every other answer than success
raises one of `finetune_operator.errors`.
"""

from dataclasses import dataclass
from typing import Protocol

from finetune_operator.kinds import Kind, Manifest


@dataclass(frozen=True)
class Listing:
    """Objects, and the version of the collection when they were read: none of them is newer."""

    items: list[Manifest]
    version: int


class Cluster(Protocol):
    """A live API server."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read one object."""

    async def snapshot(self, kind: Kind, namespace: str | None = None, *, labels: str = "") -> Listing:
        """Read the objects that match the label selector, and the version of the whole."""

    async def heads(self, kind: Kind, namespace: str, *, labels: str = "") -> list[Manifest]:
        """Read only the metadata of the objects that match the label selector."""

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Manifest]:
        """Read the objects that match the label and the field selector."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object; raises Conflict where one of this name is, which stays as it is."""

    async def apply(self, manifest: Manifest, *, force: bool) -> Manifest:
        """Server-side apply; without force, raises Conflict where somebody else owns a field."""

    async def merge(self, live: Manifest, changes: Manifest) -> Manifest:
        """Change the named fields of an object; None removes one."""

    async def replace_status(self, resource: Manifest, status: Manifest) -> Manifest:
        """Replace the whole status, so that fields can also vanish; raises Conflict unless `resource` is the newest."""

    async def delete(self, live: Manifest) -> Manifest | None:
        """Delete this very object (by uid), its dependents first; return what is left. An absent one is fine."""

    async def record(self, event: Manifest) -> None:
        """Create an Event. One that is there already is fine."""
