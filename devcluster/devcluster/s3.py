"""An S3 server on a folder, with its own credentials for each cluster."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from .api import Object
from .component import Component, http_ready
from .files import write_private
from .layout import Addresses, Layout

BUCKET = "finetune"
REGION = "us-east-1"
SECRET = "s3"
PORT = 9000


@dataclass(frozen=True)
class S3:
    """How to reach an S3 server; from pods and from the host by the same address."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str = BUCKET
    region: str = REGION

    @property
    def env(self) -> dict[str, str]:
        """The variables that S3 clients read."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
        }

    def __repr__(self) -> str:
        return f"S3({self.endpoint}, bucket={self.bucket})"


def make_credentials(layout: Layout, addresses: Addresses) -> S3:
    """Invent credentials and keep them where only root reads them."""
    s3 = S3(f"http://{addresses.node}:{PORT}", secrets.token_hex(10).upper(), secrets.token_urlsafe(30))
    write_private(layout.s3_credentials, json.dumps(asdict(s3)).encode())
    return s3


def read_credentials(layout: Layout) -> S3:
    """The credentials of a running cluster."""
    return S3(**json.loads(layout.s3_credentials.read_text()))


def server(layout: Layout, addresses: Addresses, s3: S3, program: Path) -> Component:
    """The server; a folder of the data folder is a bucket."""
    data = layout.s3_data
    (data / s3.bucket).mkdir(exist_ok=True)
    arguments = ["--port", f"{addresses.node}:{PORT}", "--region", s3.region, "--health", "/health", "--quiet", "posix"]
    if not keeps_attributes(data):
        sidecar = layout.root / "s3-metadata"
        sidecar.mkdir(exist_ok=True)
        arguments += ["--sidecar", str(sidecar)]
    credentials = {"ROOT_ACCESS_KEY": s3.access_key, "ROOT_SECRET_KEY": s3.secret_key}
    ready = http_ready(f"{s3.endpoint}/health")
    return Component("s3", [*arguments, str(data)], ready, program, credentials)


def keeps_attributes(folder: Path) -> bool:
    """Whether the file system keeps the extended attributes in which the server stores objects' metadata."""
    try:
        os.setxattr(folder, "user.finetune", b"")
        os.removexattr(folder, "user.finetune")
    except OSError:
        return False
    return True


def secret(s3: S3, namespace: str) -> Object:
    """The Secret through which pods get the credentials as environment variables."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in s3.env.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace},
        "type": "Opaque",
        "data": data,
    }
