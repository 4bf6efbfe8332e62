"""Prints a table of quality and time of models that were tuned from the same base, from their published folders.

    python examples/compare.py --base FOLDER PUBLISHED...

A folder is a path, or s3://bucket/path with the credentials of the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY). With --base, the weights that are the base model's own, bit for bit, are counted, too.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from safetensors import safe_open

REPORT, WEIGHTS = "evaluation.json", "model.safetensors"
SHOWN = ("f1_micro", "f1_macro", "f1", "accuracy", "r2", "roc_auc", "loss")


def main() -> None:
    """Print the table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", nargs="+", help="published folders of finished runs")
    parser.add_argument("--base", help="folder of the base model")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        base = _local(arguments.base, WEIGHTS, Path(scratch)) if arguments.base else None
        columns = [_column(folder, base, Path(scratch)) for folder in arguments.published]
    print("\n".join(table(columns)))


def table(columns: list[dict[str, str]]) -> list[str]:
    """Return a Markdown table: a column for each run, a row for each figure that all runs have."""
    names = [name for name in columns[0] if all(name in column for column in columns)]
    head, *rows = [[name, *(column[name] for column in columns)] for name in names]
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def figures(report: dict[str, Any]) -> dict[str, str]:
    """Return what a run's report says, for people."""
    training, metrics = report["training"], report["evaluation"]["metrics"]
    seconds = training["metrics"]["runtime_seconds"]
    return {
        "run": report["job"]["name"],
        "tuning": report["tuning"]["method"],
        "parameters that learn": f"{training['trainableParameters']:,} of {training['totalParameters']:,}",
        "training": f"{seconds:.1f} s",
        "steps per second": f"{training['steps'] / seconds:.2f}",
        **{name: f"{metrics[name]:.3f}" for name in SHOWN if name in metrics},
    }


def unchanged(base: Path, tuned: Path) -> tuple[int, int]:
    """Return how many of the base model's weights (tensors) are the tuned model's bit for bit, and how many there are.

    The tuned model may hold them under a prefix, such as `bert.`, beside a head of its own.
    """
    with safe_open(base, "pt") as ours, safe_open(tuned, "pt") as theirs:
        names = {name: _full_name(name, list(theirs.keys())) for name in ours.keys()}  # noqa: SIM118 - no mapping
        known = {name: full for name, full in names.items() if full}
        same = [name for name, full in known.items() if _same(ours.get_tensor(name), theirs.get_tensor(full))]
        return len(same), len(known)


def _full_name(name: str, names: list[str]) -> str | None:
    return next((full for full in names if full == name or full.endswith(f".{name}")), None)


def _same(ours: Any, theirs: Any) -> bool:
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and bool((ours == theirs).all())


def _column(folder: str, base: Path | None, scratch: Path) -> dict[str, str]:
    column = figures(json.loads(_local(folder, REPORT, scratch).read_bytes()))
    if base:
        same, known = unchanged(base, _local(folder, WEIGHTS, scratch))
        column["weights as in the base model"] = f"{same} of {known}"
    return column


def _local(folder: str, name: str, scratch: Path) -> Path:
    """Return a folder's file, downloaded if need be."""
    if not folder.startswith("s3://"):
        return Path(folder) / name
    import boto3  # noqa: PLC0415 - local folders need it not

    bucket, _, key = folder.removeprefix("s3://").rstrip("/").partition("/")
    path = scratch / key.replace("/", "-") / name
    path.parent.mkdir(exist_ok=True)
    boto3.client("s3").download_file(bucket, f"{key}/{name}", str(path))
    return path


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
