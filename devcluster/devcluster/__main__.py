"""The command line: `python -m devcluster VERB --name NAME`."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import binaries, install, prometheus
from .cluster import START_TIMEOUT_SECONDS, Cluster, say_on_stderr
from .errors import DevclusterError
from .status import report

DEFAULT_NAME = "finetune"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit status: 0 done, 1 failed or not healthy, 2 wrong usage."""
    given = _parser().parse_args(arguments)
    action: Callable[[argparse.Namespace], int] = given.action
    try:
        return action(given)
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devcluster",
        description="Real Kubernetes on this machine in seconds, in a network namespace of its own; needs root.",
        epilog="Begin with: install, build, up. Then: export KUBECONFIG=$(python -m devcluster kubeconfig)",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    up = _verb(verbs, "up", _up, "start a cluster, or leave a healthy one as it is")
    up.add_argument("--control-plane-only", action="store_true", help="no node: tests set the states of pods")
    up.add_argument("--no-scheduler", action="store_true", help="bind no pods to nodes")
    up.add_argument("--gpus", type=_count, default=4, metavar="N", help="nvidia.com/gpu of the node (default: 4)")
    up.add_argument("--plain-images", action="store_true", help="mount nothing of this checkout into containers")
    up.add_argument("--timeout", type=float, default=START_TIMEOUT_SECONDS, metavar="SECONDS")
    _verb(verbs, "down", _down, "take a cluster down and leave nothing of it")
    _verb(verbs, "status", _status, "show the components; exit 0 when all are healthy")
    _verb(verbs, "kubeconfig", _kubeconfig, "print the path of the kubeconfig")
    _verb(verbs, "env", _env, "print shell commands that point kubectl, helm and S3 clients here: eval them")
    logs = _verb(verbs, "logs", _logs, "show the log of a component, or the end of every log")
    logs.add_argument("component", nargs="?", help="kube-apiserver, kubelet, containerd, ...")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
    pictures = _verb(verbs, "images", _images, "list the images that pods can use, or load some from a file")
    pictures.add_argument("what", choices=("list", "import"))
    pictures.add_argument("archive", nargs="?", type=Path, help="a Docker or OCI archive")
    verbs.add_parser("build", help="build the programs, which takes minutes the first time").set_defaults(action=_build)
    system = verbs.add_parser("install", help="install the Debian packages that are missing, fetch Prometheus")
    system.add_argument("--images", action="store_true", help="also what building images needs")
    system.set_defaults(action=_install)
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    action: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--name", default=DEFAULT_NAME, help=f"the cluster's name (default: {DEFAULT_NAME})")
    parser.set_defaults(action=action)
    return parser


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a count, such as 0 or 4")
    return int(text)


def _up(given: argparse.Namespace) -> int:
    cluster = Cluster(given.name)
    cluster.up(
        control_plane_only=given.control_plane_only,
        scheduler=not given.no_scheduler,
        gpus=given.gpus,
        plain_images=given.plain_images,
        timeout_seconds=given.timeout,
    )
    print(f"export KUBECONFIG={cluster.kubeconfig}")
    return 0


def _down(given: argparse.Namespace) -> int:
    Cluster(given.name).down()
    return 0


def _status(given: argparse.Namespace) -> int:
    text, healthy = report(Cluster(given.name))
    print(text)
    return 0 if healthy else 1


def _kubeconfig(given: argparse.Namespace) -> int:
    cluster = Cluster(given.name)
    cluster.record()
    print(cluster.kubeconfig)
    return 0


def _env(given: argparse.Namespace) -> int:
    cluster = Cluster(given.name)
    cluster.record()
    variables = cluster.env | (cluster.s3.env if cluster.s3 else {})
    changed = {key: value for key, value in variables.items() if os.environ.get(key) != value}
    print("export", *(f"{key}={shlex.quote(value)}" for key, value in changed.items()))
    return 0


def _logs(given: argparse.Namespace) -> int:
    cluster = Cluster(given.name)
    names = [given.component] if given.component else list(cluster.record().processes)
    files = [cluster.log(name) for name in names]
    for file in files:
        if not file.exists():
            raise DevclusterError(f"no log {file.name}; there are {', '.join(cluster.record().processes)}")
    options = ["--follow"] if given.follow else []
    options.append("--lines=+1" if given.component else "--lines=10")
    return subprocess.run(["tail", *options, *map(str, files)], check=False).returncode


def _images(given: argparse.Namespace) -> int:
    cluster = Cluster(given.name)
    if given.what == "list":
        print("\n".join(cluster.image_names()))
        return 0
    if given.archive is None or not given.archive.is_file():
        raise DevclusterError(f"images import: expected a Docker or OCI archive, found {given.archive}")
    print(cluster.import_images(given.archive), end="")
    return 0


def _build(_: argparse.Namespace) -> int:
    print(binaries.build(say_on_stderr))
    return 0


def _install(given: argparse.Namespace) -> int:
    install.install(images=given.images, say=say_on_stderr)
    prometheus.program("prometheus")
    return 0


if __name__ == "__main__":
    sys.exit(main())
