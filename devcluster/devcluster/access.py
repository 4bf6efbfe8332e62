"""What tests and demos do with a cluster, no matter who runs it."""

import json
import os
from abc import ABC, abstractmethod
from pathlib import Path

from . import s3 as s3_module
from .api import Object
from .commands import run
from .s3 import S3


class Access(ABC):
    """A cluster that answers: the programs and files to work with it."""

    name: str

    @property
    @abstractmethod
    def kubeconfig(self) -> Path:
        """The file that says how to reach the API server, with all rights."""

    @property
    @abstractmethod
    def kubectl(self) -> Path:
        """The kubectl that fits the cluster."""

    @property
    @abstractmethod
    def helm(self) -> Path:
        """The Helm program."""

    @property
    @abstractmethod
    def s3(self) -> S3 | None:
        """An S3 server that pods and the host reach by the same address; None when there is none."""

    @property
    @abstractmethod
    def audit_log(self) -> Path | None:
        """One JSON object a line for each request to a resource, with user, verb and object; None if not known."""

    @property
    def env(self) -> dict[str, str]:
        """This process's environment, changed so that every client finds this cluster."""
        path = f"{self.kubectl.parent}:{os.environ.get('PATH', '')}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig)}

    def run_kubectl(self, *arguments: str, input_text: str | None = None, timeout_seconds: float = 60) -> str:
        """Return kubectl's output. Raises CommandFailed with kubectl's own words."""
        return run([self.kubectl, *arguments], input_text=input_text, env=self.env, timeout_seconds=timeout_seconds)

    def run_helm(self, *arguments: str, timeout_seconds: float = 120) -> str:
        """Return Helm's output. Raises CommandFailed with Helm's own words."""
        return run([self.helm, *arguments], env=self.env, timeout_seconds=timeout_seconds)

    def apply(self, *objects: Object) -> None:
        """Apply objects on the server side."""
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"]
        self.run_kubectl(*arguments, input_text=json.dumps(document))

    def create_s3_secret(self, namespace: str = "default") -> None:
        """Put the Secret `s3` with the credentials into the namespace. Raises ValueError when there is no S3."""
        if self.s3 is None:
            raise ValueError("this cluster has no S3 server: set AWS_ENDPOINT_URL and the credentials")
        self.apply(s3_module.secret(self.s3, namespace))
