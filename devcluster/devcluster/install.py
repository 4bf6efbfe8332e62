"""The Debian packages that a cluster needs from the system."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from .containerd import CNI_PLUGINS
from .errors import CommandFailed, MissingTools

_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Requirement:
    """A Debian package, and the programs or files by which it is known to be installed."""

    package: str
    programs: tuple[str, ...]


NODE = (
    Requirement("containerd", ("containerd", "ctr")),
    Requirement("runc", ("runc",)),
    Requirement("containernetworking-plugins", ("ptp",)),
    Requirement("iptables", ("iptables",)),
)
CONTROL_PLANE = (Requirement("iproute2", ("ip",)), Requirement("util-linux", ("nsenter",)))
IMAGES = (Requirement("buildah", ("buildah",)), Requirement("mmdebstrap", ("mmdebstrap",)))


def missing(requirements: tuple[Requirement, ...]) -> list[str]:
    """The packages that are not installed."""
    return [one.package for one in requirements if not all(map(_found, one.programs))]


def _found(program: str) -> bool:
    path = f"{os.environ.get('PATH', '')}:{_SYSTEM_FOLDERS}:{':'.join(map(str, CNI_PLUGINS))}"
    return shutil.which(program, path=path) is not None


def check(*, with_node: bool) -> None:
    """Raise MissingTools, with what to do, when a package is not installed."""
    packages = missing(CONTROL_PLANE + NODE if with_node else CONTROL_PLANE)
    if packages:
        raise MissingTools(f"not installed: {' '.join(packages)}. Run `python -m devcluster install`")


def install(*, images: bool, say: Callable[[str], None] = print) -> None:
    """Install the packages that are missing; those for building images only when asked for.

    Raises MissingTools when this is no Debian, CommandFailed when apt-get fails.
    """
    packages = missing(CONTROL_PLANE + NODE + (IMAGES if images else ()))
    if not packages:
        say("everything is installed")
        return
    apt = shutil.which("apt-get")
    if apt is None:
        raise MissingTools(f"install these with this system's package manager: {' '.join(packages)}")
    say(f"installing {' '.join(packages)}")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    without_questions = ["env", "DEBIAN_FRONTEND=noninteractive", apt, "-y", "-qq", "--no-install-recommends"]
    _apt([*as_root, apt, "-qq", "update"])
    _apt([*as_root, *without_questions, "install", *packages])


def _apt(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(f"`{' '.join(arguments)}` failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
