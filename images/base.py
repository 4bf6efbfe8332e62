"""A Debian with Python, made from packages: what `python:slim` is elsewhere."""

import os
import subprocess
from pathlib import Path

SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates")


def base_archive() -> Path:
    """Return the base's tar archive; the first call makes it (half a minute) and keeps it in the user's cache.

    Raises FileNotFoundError if mmdebstrap is not installed, CalledProcessError if it fails.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finetune-operator" / "images"
    archive = cache / f"{SUITE}-{'-'.join(PACKAGES)}.tar"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = archive.with_name(f"partial-{os.getpid()}.tar")
        include = f"--include={','.join(PACKAGES)}"
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", include, SUITE, str(partial)], check=True)
        partial.rename(archive)
    return archive
