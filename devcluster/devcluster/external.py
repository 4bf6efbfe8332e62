"""Bring your own cluster: tests and demos run on any cluster that KUBECONFIG names."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import binaries
from .access import Access
from .cluster import Cluster
from .errors import DevclusterError
from .s3 import BUCKET, REGION, S3


@dataclass(frozen=True)
class ExternalCluster(Access):
    """A cluster that somebody else runs; the S3 server is the one that the AWS variables name, if they do."""

    name: str
    path: Path

    @property
    def kubeconfig(self) -> Path:
        """The file that KUBECONFIG names."""
        return self.path

    @property
    def kubectl(self) -> Path:
        """The user's own kubectl, else ours."""
        return _program("kubectl")

    @property
    def helm(self) -> Path:
        """The user's own Helm, else ours."""
        return _program("helm")

    @property
    def s3(self) -> S3 | None:
        """The server that the AWS variables name; None unless they do."""
        get = os.environ.get
        endpoint, key, secret = get("AWS_ENDPOINT_URL"), get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")
        if not (endpoint and key and secret):
            return None
        return S3(endpoint, key, secret, get("FINETUNE_S3_BUCKET", BUCKET), get("AWS_REGION", REGION))

    @property
    def audit_log(self) -> None:
        """Not known."""
        return None


@contextmanager
def cluster(name: str, **options: Any) -> Iterator[Cluster | ExternalCluster]:
    """The cluster that KUBECONFIG names if it is set, else one of our own that lives as long as the block.

    The options are those of `Cluster.up`. Raises DevclusterError when KUBECONFIG names a file that is not there.
    """
    if given := os.environ.get("KUBECONFIG"):
        path = Path(given)
        if not path.is_file():
            raise DevclusterError(f"KUBECONFIG is {given!r}, which is not one file: name one, or unset it")
        yield ExternalCluster(name, path)
        return
    own = Cluster(name)
    try:
        own.up(**options)
        yield own
    finally:
        own.down()


def _program(name: str) -> Path:
    """The user's own program if there is one, else ours."""
    found = shutil.which(name)
    return Path(found) if found else binaries.build() / name
