"""Runs kubectl and helm against a cluster and returns what they print."""

import os
import subprocess
from pathlib import Path

from devcluster import Cluster


class CommandError(Exception):
    """A command ended with an error; the message holds the command and what it printed."""


def kubectl(cluster: Cluster, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl and return its standard output. Raises CommandError."""
    return _run(cluster.kubectl, arguments, cluster.kubeconfig, stdin)


def helm(cluster: Cluster, *arguments: str) -> str:
    """Run helm and return its standard output. Raises CommandError."""
    return _run(cluster.helm, arguments, cluster.kubeconfig, None)


def environment(cluster: Cluster) -> dict[str, str]:
    """Return the environment in which kubectl and helm find the cluster."""
    return {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}


def _run(program: Path, arguments: tuple[str, ...], kubeconfig: Path, stdin: str | None) -> str:
    done = subprocess.run(
        [str(program), *arguments],
        input=stdin,
        text=True,
        capture_output=True,
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(f"{program.name} {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
