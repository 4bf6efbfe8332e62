"""`python -m dashboards`: write, or with --check verify, the chart's dashboards."""

import argparse
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from crdgen.files import bring_up_to_date
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
    return bring_up_to_date(files, check=options.check, command="python -m dashboards")


if __name__ == "__main__":
    sys.exit(main())
