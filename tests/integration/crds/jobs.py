"""FineTuneJobs on a real API server, with kubectl as users have it."""

import json
import re
from dataclasses import dataclass

import pytest

from devcluster import Access, CommandFailed
from tests.builders import Manifest

NAMESPACE = "crd-tests"
ONE_MESSAGE = re.compile(r'The FineTuneJob "[^"]+" is invalid: (?!\n)')
BULLET = "* "
AFTERWORD = "* <nil>: Invalid value"


@dataclass(frozen=True)
class Jobs:
    """kubectl in one namespace."""

    cluster: Access

    def kubectl(self, *arguments: str, input_text: str | None = None) -> str:
        return self.cluster.run_kubectl("--namespace", NAMESPACE, *arguments, input_text=input_text)

    def apply(self, manifest: Manifest, *options: str) -> Manifest:
        """Apply, and return the object as the API server answers."""
        answer: Manifest = json.loads(
            self.kubectl("apply", "-o", "json", *options, "-f", "-", input_text=json.dumps(manifest))
        )
        return answer

    def dry_run(self, manifest: Manifest) -> Manifest:
        return self.apply(manifest, "--dry-run=server")

    def refusal(self, manifest: Manifest) -> list[str]:
        """Return each complaint of the API server, without the afterword on checks that were left out."""
        with pytest.raises(CommandFailed) as error:
            self.dry_run(manifest)
        text = str(error.value)
        if found := ONE_MESSAGE.search(text):
            return [text[found.end() :]]
        lines = [line for line in text.splitlines() if line.startswith(BULLET) and not line.startswith(AFTERWORD)]
        return [line.removeprefix(BULLET) for line in lines] or [text]

    def get(self, name: str) -> Manifest:
        found: Manifest = json.loads(self.kubectl("get", "ftj", name, "-o", "json"))
        return found

    def set_status(self, name: str, status: Manifest) -> None:
        """Write the status as the operator does: through the subresource."""
        patch = json.dumps({"status": status})
        self.kubectl("patch", "ftj", name, "--subresource=status", "--type=merge", "--patch", patch)
