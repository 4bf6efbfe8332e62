"""What the chart renders, by Helm and without a cluster."""

import json
from pathlib import Path
from typing import Any

import yaml

from demo.install import CHART
from devcluster import binaries
from devcluster.commands import run
from finetune_operator.kinds import Manifest

SERVER = ("--kube-version", "1.36.0")
RELEASE = "release"
NAMESPACE = "chart-tests"


def template(folder: Path, chart: Path = CHART, **values: Any) -> str:
    """Return what Helm prints, hooks included. Raises CommandFailed with Helm's words; `folder` takes the values.

    Without the CRD, unless the values say otherwise: it takes most of the time.
    """
    file = folder / "values.json"
    file.write_text(json.dumps({"crds": {"install": False}, **values}))
    arguments = ("template", RELEASE, chart, "--namespace", NAMESPACE, *SERVER, "--values", file)
    return run([binaries.build() / "helm", *arguments], timeout_seconds=60)


def rendered(folder: Path, chart: Path = CHART, **values: Any) -> list[Manifest]:
    """Return the manifests that Helm prints, as `template` does."""
    return [manifest for manifest in yaml.safe_load_all(template(folder, chart, **values)) if manifest]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def operator_pod(manifests: list[Manifest]) -> Manifest:
    """Return the pod template of the operator's Deployment."""
    (deployment,) = of_kind(manifests, "Deployment")
    template: Manifest = deployment["spec"]["template"]
    return template
