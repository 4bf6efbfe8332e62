"""Run the system's programs and turn their failures into errors that can be read."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import CommandFailed

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(
    arguments: Sequence[str | Path],
    *,
    input_text: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 60,
) -> str:
    """Return what the program printed on its standard output.

    Raises CommandFailed with the program's own words when it fails or takes longer than the timeout.
    """
    line = " ".join(map(str, arguments))
    try:
        done = subprocess.run(
            list(map(str, arguments)),
            input=input_text,
            env=env,
            timeout=timeout_seconds,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"`{line}` did not end within {timeout_seconds:.0f} s") from None
    except FileNotFoundError:
        raise CommandFailed(f"`{arguments[0]}` is not installed") from None
    if done.returncode != 0:
        raise CommandFailed(f"`{line}` ended with status {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
