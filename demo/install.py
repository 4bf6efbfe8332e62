"""Installs CRD, RBAC and operator on a cluster with the Helm chart, as a platform engineer would."""

from dataclasses import dataclass
from pathlib import Path

from devcluster import Access, ExternalCluster
from finetune_api.handoff import PRETENDED_GPUS

CHART = Path(__file__).resolve().parent.parent / "charts" / "finetune-operator"
RELEASE = "finetune-operator"
NAMESPACE = "finetune-system"
_PRETENDED = (f"defaults.pods.env[0].name={PRETENDED_GPUS}", "defaults.pods.env[0].value=on")
"""The embedded cluster's node only says that it has GPUs."""


@dataclass(frozen=True)
class Images:
    """Repository and tag of both images."""

    operator: str = "finetune.dev/operator"
    trainer: str = "finetune.dev/trainer"
    tag: str = "dev"


def install_operator(cluster: Access, images: Images = Images(), *settings: str) -> None:
    """Install or upgrade the chart and wait until the operator is ready; `settings` are Helm's `--set` pairs."""
    values = [
        f"image.repository={images.operator}",
        f"image.tag={images.tag}",
        "image.pullPolicy=Never",
        f"trainerImage.repository={images.trainer}",
        f"trainerImage.tag={images.tag}",
        *(() if isinstance(cluster, ExternalCluster) else _PRETENDED),
        *settings,
    ]
    sets = [word for value in values for word in ("--set", value)]
    release = ["upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace"]
    cluster.run_helm(*release, *sets, "--wait", "--timeout", "90s")
