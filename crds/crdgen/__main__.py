"""`python -m crdgen`: write, or with --check verify, the files that are generated from models and values."""

import argparse
import sys
from pathlib import Path

from crdgen.chart import ChartMismatch, chart_files
from crdgen.files import bring_up_to_date
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
    return bring_up_to_date(files, check=options.check, command="python -m crdgen")


if __name__ == "__main__":
    sys.exit(main())
