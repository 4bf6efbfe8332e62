"""`python -m dashboards`: write, or with --check verify, the chart's dashboards."""

import argparse
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.fleet import fleet
from dashboards.job import job
from dashboards.operator import operator
from dashboards.reading import FOLDER
from dashboards.serving import serving

BOARDS = {"fleet": fleet, "job": job, "serving": serving, "operator": operator}


def text(name: str) -> str:
    """Return the file of a dashboard: one of BOARDS."""
    return f"{JSONEncoder(sort_keys=True, indent=1).encode(BOARDS[name]().build())}\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with --check report each one that is out of date; 1 if any is."""
    parser = argparse.ArgumentParser(prog="dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the files")
    options = parser.parse_args(arguments)
    files = {options.output / f"{name}.json": text(name) for name in BOARDS}
    if not options.check:
        for path, content in files.items():
            path.write_text(content)
        return 0
    stale = [path for path, content in files.items() if not path.exists() or path.read_text() != content]
    for path in stale:
        print(f"{path} is out of date; run: python -m dashboards", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
