"""The Kubernetes programs, built from their Go modules once and kept in the user's cache."""

import hashlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import BuildFailed, MissingTools
from .layout import CHECKOUT, cache_folder
from .locks import locked

SOURCES = CHECKOUT / "devcluster"
GO_VERSION = (1, 26)

_BUILD_TIMEOUT_SECONDS = 3600
_HEARTBEAT_SECONDS = 30


@dataclass(frozen=True)
class Target:
    """A program: the Go module it is built in, and its package."""

    program: str
    module: str
    package: str


TARGETS = (
    Target("pause", "node", "./cmd/pause"),
    Target("node", "node", "./cmd/node"),
    Target("coredns", "tools", "./cmd/coredns"),
    Target("helm", "tools", "helm.sh/helm/v3/cmd/helm"),
    Target("versitygw", "tools", "github.com/versity/versitygw/cmd/versitygw"),
)
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
    return _version_in("node", "k8s.io/kubernetes")


def versions() -> dict[str, str]:
    """What is built, and which version of it."""
    return {
        "kubernetes": kubernetes_version(),
        "etcd": _version_in("node", "go.etcd.io/etcd/server/v3"),
        "coredns": _version_in("tools", "github.com/coredns/coredns"),
        "helm": _version_in("tools", "helm.sh/helm/v3"),
        "versitygw": _version_in("tools", "github.com/versity/versitygw"),
    }


def _version_in(module: str, dependency: str) -> str:
    text = (SOURCES / module / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(dependency)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise BuildFailed(f"{SOURCES / module / 'go.mod'} does not require {dependency}")
    return found[1]


def folder() -> Path:
    """Where the programs of these very sources are, or will be."""
    digest = hashlib.sha256()
    for module in ("node", "tools"):
        sources = (SOURCES / module).rglob("*")
        for file in sorted(path for path in sources if path.suffix == ".go" or path.name in ("go.mod", "go.sum")):
            digest.update(f"{file.relative_to(SOURCES)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return cache_folder() / f"programs-{kubernetes_version()}-{digest.hexdigest()[:12]}"


def is_built() -> bool:
    """Whether nothing needs to be built."""
    return folder().exists()


def build(say: Callable[[str], None] = print) -> Path:
    """Build what is missing and return the folder of the programs.

    Takes minutes the first time, and next to nothing afterwards. When several processes build at once, one does the
    work and the others wait for it. Raises MissingTools or BuildFailed.
    """
    target = folder()
    if target.exists():
        return target
    go = go_program()
    busy = f"another process has been building into {target} for more than an hour"
    with locked(cache_folder() / "building", timeout_seconds=_BUILD_TIMEOUT_SECONDS, busy=busy):
        if not target.exists():
            _build_all(go, target, say)
    return target


def _build_all(go: str, target: Path, say: Callable[[str], None]) -> None:
    # Programs that other sources left here are reused by Go's own cache, not by us.
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    say(f"building Kubernetes {kubernetes_version()} and its tools into {target}; the first time takes minutes")
    for number, one in enumerate(TARGETS, start=1):
        with _timed(f"[{number}/{len(TARGETS)}] {one.program}", say):
            _build_one(go, one, draft)
    for name in NODE_PROGRAMS:
        (draft / name).symlink_to("node")
    draft.rename(target)


def _build_one(go: str, target: Target, into: Path) -> None:
    version = kubernetes_version()
    major, minor = version.removeprefix("v").split(".")[:2]
    stamp = "k8s.io/component-base/version"
    flags = f"-s -w -X {stamp}.gitVersion={version} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    done = subprocess.run(
        [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", into / target.program, target.package],
        cwd=SOURCES / target.module,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildFailed(f"building {target.program} failed:\n{done.stderr.strip()[-4000:]}")


@contextmanager
def _timed(label: str, say: Callable[[str], None]) -> Iterator[None]:
    """Say when something begins, that it goes on, and how long it took."""
    began = time.monotonic()
    done = threading.Event()

    def heartbeat() -> None:
        while not done.wait(_HEARTBEAT_SECONDS):
            say(f"{label}: {time.monotonic() - began:.0f} s so far")

    say(f"{label}: building")
    thread = threading.Thread(target=heartbeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    say(f"{label}: {time.monotonic() - began:.0f} s")


def go_environment() -> dict[str, str]:
    """Return the environment that Go programs are built in.

    Without C they need no compiler, and run in an image that holds nothing else.
    """
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}


def go_program() -> str:
    """Return the path of a Go that is new enough. Raises MissingTools."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    wanted = ".".join(map(str, GO_VERSION))
    if go is None:
        raise MissingTools(f"Go {wanted} or newer builds the cluster's programs, and `go` is not on the PATH")
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < GO_VERSION:
        raise MissingTools(f"Go {wanted} or newer builds the cluster's programs; {go} is {text.strip()!r}")
    return go
