"""`python -m crdgen`: write, or with --check verify, the files that are generated from models and values."""

import argparse
import sys
from pathlib import Path

from crdgen.chart import ChartMismatch, chart_files
from crdgen.job_values import values_schema
from crdgen.manifest import manifest
from crdgen.merged_values import merged_checks
from crdgen.metrics import metrics_page
from crdgen.reference import reference

ROOT = Path(__file__).resolve().parents[2]
CHARTS = (ROOT / "charts/finetune-operator",)


def main(arguments: list[str] | None = None) -> int:
    """Write the generated files, or with --check report each one that is out of date; 1 if any is."""
    parser = argparse.ArgumentParser(prog="crdgen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    parser.add_argument("--output", type=Path, default=ROOT / "crds/finetunejobs.yaml", help="the CRD's file")
    parser.add_argument("--reference", type=Path, default=ROOT / "docs/reference.md", help="the reference page")
    parser.add_argument(
        "--chart", type=Path, default=ROOT / "charts/finetune-jobs", help="the folder of the jobs' chart"
    )
    parser.add_argument("--metrics", type=Path, default=ROOT / "docs/metrics.md", help="the page of the metrics")
    options = parser.parse_args(arguments)
    files = {
        options.output: manifest(),
        options.reference: reference(),
        options.metrics: metrics_page(),
        options.chart / "values.schema.json": values_schema(),
        options.chart / "files/merged.json": merged_checks(),
    }
    try:
        for folder in CHARTS:
            files |= chart_files(folder)
    except ChartMismatch as error:
        print(error, file=sys.stderr)
        return 1
    return _check(files) if options.check else _write(files)


def _write(files: dict[Path, str]) -> int:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def _check(files: dict[Path, str]) -> int:
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{path} is out of date; run: python -m crdgen", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
