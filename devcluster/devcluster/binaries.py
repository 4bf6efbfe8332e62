"""The Kubernetes programs, and those that a cluster is used with."""

from collections.abc import Callable
from pathlib import Path

from . import gobuild
from .gobuild import ProgramSet, Target
from .layout import CHECKOUT, cache_folder

SOURCES = CHECKOUT / "devcluster"

# The programs that `node` is when it is called by their names.
NODE_PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "kube-proxy",
    "volume-provisioner",
)


def kubernetes_version() -> str:
    """The version that go.mod names, such as v1.36.3."""
    return gobuild.required_version(SOURCES / "node", "k8s.io/kubernetes")


def versions() -> dict[str, str]:
    """What is built, and which version of it."""
    return {
        "kubernetes": kubernetes_version(),
        "etcd": gobuild.required_version(SOURCES / "node", "go.etcd.io/etcd/server/v3"),
        "coredns": gobuild.required_version(SOURCES / "tools", "github.com/coredns/coredns"),
        "helm": gobuild.required_version(SOURCES / "tools", "helm.sh/helm/v3"),
        "versitygw": gobuild.required_version(SOURCES / "tools", "github.com/versity/versitygw"),
    }


def folder() -> Path:
    """Where the programs of these very sources are, or will be."""
    digest = gobuild.fingerprint([SOURCES / "node", SOURCES / "tools"])
    return cache_folder() / f"programs-{kubernetes_version()}-{digest}"


def build(say: Callable[[str], None] = print) -> Path:
    """Build what is missing and return the folder of the programs, as `gobuild.build` does."""
    return gobuild.build(_programs(), folder(), say)


def _programs() -> ProgramSet:
    version = kubernetes_version()
    major, minor = version.removeprefix("v").split(".")[:2]
    stamp = "k8s.io/component-base/version"
    node, tools = SOURCES / "node", SOURCES / "tools"
    return ProgramSet(
        title=f"Kubernetes {version} and its tools",
        targets=(
            Target("pause", node, "./cmd/pause"),
            Target("node", node, "./cmd/node"),
            Target("coredns", tools, "./cmd/coredns"),
            Target("helm", tools, "helm.sh/helm/v3/cmd/helm"),
            Target("versitygw", tools, "github.com/versity/versitygw/cmd/versitygw"),
        ),
        linker_flags=f"-s -w -X {stamp}.gitVersion={version} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}",
        links=dict.fromkeys(NODE_PROGRAMS, "node"),
    )
