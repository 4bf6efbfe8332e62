"""Prints a table of quality and time of FineTuneJobs that are finished, from their statuses.

    python examples/compare.py JOB JOB... [--namespace NAMESPACE] [--base FOLDER]

kubectl must reach the cluster (KUBECONFIG). With --base, it is counted which weights of the base model are in the
published models as they were, bit for bit; folders in s3:// are read with the credentials of the environment
(AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY).
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from safetensors import safe_open

WEIGHTS = "model.safetensors"
SHOWN = ("f1_micro", "f1_macro", "f1", "accuracy", "r2", "roc_auc", "loss")


def main() -> None:
    """Print the table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="+", help="names of FineTuneJobs")
    parser.add_argument("--namespace", default="default", help="default: %(default)s")
    parser.add_argument("--base", help="folder of the base model, a path or s3://bucket/path")
    arguments = parser.parse_args()
    columns = []
    with tempfile.TemporaryDirectory() as scratch:
        base = weights_in(arguments.base, Path(scratch)) if arguments.base else None
        for name in arguments.jobs:
            job = _job(name, arguments.namespace)
            columns.append(figures(job))
            if base:
                same, known = unchanged(base, weights_in(job["status"]["artifact"]["uri"], Path(scratch)))
                columns[-1]["weights as in the base model"] = f"{same} of {known}"
    print("\n".join(table(columns)))


def table(columns: list[dict[str, str]]) -> list[str]:
    """Return a Markdown table: a column for each run, a row for each figure that all runs have."""
    names = [name for name in columns[0] if all(name in column for column in columns)]
    head, *rows = [[name, *(column[name] for column in columns)] for name in names]
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def figures(job: dict[str, Any]) -> dict[str, str]:
    """Return what the status of a finished job says, for people."""
    progress, metrics = job["status"]["progress"], job["status"]["metrics"]
    seconds = metrics["train"]["runtime_seconds"]
    return {
        "job": job["metadata"]["name"],
        "tuning": job["spec"]["tuning"]["method"],
        "parameters that learn": f"{progress['trainableParameters']:,}",
        "training": f"{seconds:.1f} s",
        "steps per second": f"{progress['step'] / seconds:.2f}",
        **{name: f"{metrics['evaluation'][name]:.3f}" for name in SHOWN if name in metrics["evaluation"]},
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


def weights_in(folder: str, scratch: Path) -> Path:
    """Return the weights' file in a folder, downloaded if need be."""
    if not folder.startswith("s3://"):
        return Path(folder) / WEIGHTS
    import boto3  # noqa: PLC0415 - only buckets need it

    bucket, _, key = folder.removeprefix("s3://").rstrip("/").partition("/")
    path = scratch / f"{key.replace('/', '-')}-{WEIGHTS}"
    boto3.client("s3").download_file(bucket, f"{key}/{WEIGHTS}", str(path))
    return path


def _job(name: str, namespace: str) -> dict[str, Any]:
    kubectl = os.environ.get("KUBECTL", "kubectl")
    command = [kubectl, "-n", namespace, "get", "finetunejob", name, "-o", "json"]
    job: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if "artifact" not in job.get("status", {}):
        raise SystemExit(f"FineTuneJob {name} has published nothing yet: {job.get('status', {}).get('message')}")
    return job


def _full_name(name: str, names: list[str]) -> str | None:
    return next((full for full in names if full == name or full.endswith(f".{name}")), None)


def _same(ours: Any, theirs: Any) -> bool:
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and bool((ours == theirs).all())


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
