"""Where models, data and results live: one URI form for all of them.

`hf://org/name` a model on the Hub · `s3://bucket/path` · `pvc://claim/path` a PersistentVolumeClaim's folder.
"""

from dataclasses import dataclass
from typing import Literal, cast

Scheme = Literal["hf", "s3", "pvc"]

URI_FORM = {
    "hf": "hf://name or hf://organisation/name",
    "s3": "s3://bucket/path",
    "pvc": "pvc://claim/path",
}


@dataclass(frozen=True)
class Source:
    """A parsed URI: `container` is the bucket, the claim or (for the Hub) the whole repository id."""

    scheme: Scheme
    container: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.container}" + (f"/{self.path}" if self.path else "")

    def child(self, name: str) -> "Source":
        """Return the source `name` below this one."""
        return Source(self.scheme, self.container, f"{self.path}/{name}" if self.path else name)


def parse_source(uri: str) -> Source:
    """Split a URI into its parts.

    Raises ValueError, naming the URI and the accepted forms, for any other scheme or an empty container.
    """
    scheme, separator, rest = uri.partition("://")
    rest = rest.strip("/")
    if not separator or scheme not in URI_FORM or not rest:
        raise ValueError(f"{uri!r} is not a source; expected one of: {', '.join(URI_FORM.values())}")
    if scheme == "hf":
        return Source("hf", rest, "")
    container, _, path = rest.partition("/")
    return Source(cast(Scheme, scheme), container, path)
