"""Prometheus and promtool for the tests: the system's, or Debian's package unpacked in the cache.

Unpacked, not installed: Debian's package would start Prometheus as a service of the system.
"""

import shutil
import subprocess
from pathlib import Path

from .errors import CommandFailed, MissingTools
from .layout import cache_folder
from .locks import locked

PACKAGE = "prometheus"
PROGRAMS = ("prometheus", "promtool")
_FETCH_TIMEOUT_SECONDS = 300


def program(name: str) -> Path:
    """Where the program lies; it is fetched the first time.

    name: one of PROGRAMS. Raises MissingTools when this is no Debian and the program is not on the PATH, CommandFailed
    when it cannot be fetched.
    """
    installed = shutil.which(name)
    return Path(installed) if installed else fetch() / "usr/bin" / name


def fetch() -> Path:
    """Download and unpack the package unless it is there; return its folder, `prometheus-VERSION`."""
    busy = f"another process has been fetching {PACKAGE} for {_FETCH_TIMEOUT_SECONDS} s"
    with locked(cache_folder() / "fetching", timeout_seconds=_FETCH_TIMEOUT_SECONDS, busy=busy):
        return _unpacked() or _fetch()


def _unpacked() -> Path | None:
    found = sorted(cache_folder().glob(f"{PACKAGE}-[0-9]*"), key=lambda folder: folder.stat().st_mtime)
    return found[-1] if found else None


def _fetch() -> Path:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise MissingTools(f"install {' and '.join(PROGRAMS)} with this system's package manager")
    draft = cache_folder() / f".{PACKAGE}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "files").mkdir(parents=True)
    try:
        _run("apt-get", "-qq", "download", PACKAGE, folder=draft)
    except CommandFailed:  # the lists of packages are older than the archive
        _run("apt-get", "-qq", "update", folder=draft)
        _run("apt-get", "-qq", "download", PACKAGE, folder=draft)
    (archive,) = draft.glob("*.deb")
    _run("dpkg-deb", "--extract", archive.name, "files", folder=draft)
    version = archive.name.split("_")[1].replace("%3a", ".")
    target = (draft / "files").rename(cache_folder() / f"{PACKAGE}-{version}")
    shutil.rmtree(draft)
    return target


def _run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-2000:]}")
