"""What the demo shows of a finished job: figures and sample texts of the tuned model beside the base model's."""

import json
from typing import Any

from rich.table import Table

from demo.inputs import s3_client
from demo.watch import Status
from devcluster import Access


def metrics_table(job: str, status: Status) -> Table:
    """Return the figures of the tuned model beside those of the base model."""
    metrics = status.get("metrics", {})
    tuned, base = metrics.get("evaluation", {}), metrics.get("baseline", {})
    table = Table("metric", "tuned", "base", title=f"{job}: held-out rows")
    for name in tuned:
        table.add_row(name, f"{tuned[name]:.4g}", f"{base[name]:.4g}" if name in base else "")
    return table


def samples_table(cluster: Access, status: Status) -> Table | None:
    """Return the sample texts of both models, from the published report; None where the job made none."""
    report = _published_report(cluster, status)
    tuned, base = report["evaluation"].get("samples", []), (report["baseline"] or {}).get("samples", [])
    if not tuned:
        return None
    outputs = {sample["input"]: sample["output"] for sample in base}
    table = Table("prompt", "tuned", "base", title="sample texts", show_lines=True)
    for sample in tuned:
        table.add_row(sample["input"], sample["output"].strip(), outputs.get(sample["input"], "").strip())
    return table


def _published_report(cluster: Access, status: Status) -> dict[str, Any]:
    assert cluster.s3 is not None, "the inputs were uploaded to it"
    bucket, _, path = status["artifact"]["uri"].removeprefix("s3://").partition("/")
    report: dict[str, Any] = json.load(
        s3_client(cluster.s3).get_object(Bucket=bucket, Key=f"{path}/evaluation.json")["Body"]
    )
    return report
