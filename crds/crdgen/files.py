"""Generated files: written, or checked to be what would be written."""

import sys
from collections.abc import Mapping
from pathlib import Path


def bring_up_to_date(files: Mapping[Path, str], *, check: bool, command: str) -> int:
    """Write the files; with `check`, write none and name on stderr those that `command` has to write: 1 if any."""
    if not check:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return 0
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{path} is out of date; run: {command}", file=sys.stderr)
    return 1 if stale else 0
