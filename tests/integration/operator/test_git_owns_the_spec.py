"""What Git says stays as Git says it: no difference at any phase, and nobody's hand on a field of the manifest."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from finetune_api.failures import FailureClass
from tests.builders import Manifest, merge
from tests.integration.operator.runs import failure, success
from tests.integration.operator.test_serving import make_available
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts/finetune-jobs"
EXAMPLE = yaml.safe_load((ROOT / "examples/imdb-sentiment/finetunejob.yaml").read_text())["spec"]
GIT = ("--server-side", "--field-manager=git")
FEWEST = 2
SCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "job"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "finetune.dev/v1alpha1", "kind": "FineTuneJob", "name": "job"},
        "minReplicas": FEWEST,
        "maxReplicas": 4,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    },
}


class Repository:
    """One job of the chart, applied as Flux does it."""

    def __init__(self, bench: Workbench, folder: Path) -> None:
        self._bench = bench
        self._values = folder / "values.yaml"
        self._manifest = folder / "job.yaml"

    def commit(self, **changes: Any) -> None:
        """Render the example with changes, and apply it."""
        job = {"labels": {"team": "films"}, "annotations": {"owner": "a@b.c"}, "spec": merge(EXAMPLE, changes)}
        self._values.write_text(json.dumps({"jobs": {"job": job}}))
        release = ("template", "films", str(CHART), "--namespace", self._bench.namespace, "--values", str(self._values))
        self._manifest.write_text(self._bench.cluster.run_helm(*release))
        self.sync()

    def sync(self) -> None:
        self._bench.kubectl("apply", *GIT, "-f", str(self._manifest))

    def others(self) -> dict[str, Manifest]:
        """Return what others than Git own beside the status; fail where kubectl sees a difference."""
        assert self._bench.kubectl("diff", *GIT, "-f", str(self._manifest)) == ""
        found = self._bench.kubectl("get", "ftj", "job", "-o", "json", "--show-managed-fields")
        entries = json.loads(found)["metadata"]["managedFields"]
        assert "git" in {entry["manager"] for entry in entries}
        foreign = [one for one in entries if one["manager"] != "git" and one.get("subresource") != "status"]
        return {entry["manager"]: entry["fieldsV1"] for entry in foreign}


def only_finalizers(fields: dict[str, Manifest]) -> bool:
    return all(one.keys() == {"f:metadata"} and one["f:metadata"].keys() == {"f:finalizers"} for one in fields.values())


def replicas(bench: Workbench) -> int:
    return int(bench.get("deployments")[0]["spec"]["replicas"])


def test_no_phase_drifts_from_git_and_scaling_fights_with_nobody(bench: Workbench, tmp_path: Path) -> None:
    git = Repository(bench, tmp_path)
    git.commit()
    status = bench.wait(phase="Pending", reason="Unschedulable")
    assert only_finalizers(git.others())
    pod = bench.wait_for_pod()
    bench.run_pod(pod)
    bench.wait(phase="Training")
    assert only_finalizers(git.others())
    bench.end_pod(pod, 0, success(status))
    (deployment,) = bench.until(lambda: bench.get("deployments"), len)
    bench.wait(phase="Deploying")
    assert only_finalizers(git.others())
    make_available(bench, deployment)
    bench.wait(phase="Ready")
    assert only_finalizers(git.others())

    bench.apply(SCALER)
    git.commit(training={"learningRate": 0.5}, suspend=True)
    bench.wait(phase="Suspended")
    assert only_finalizers(git.others())
    git.commit(training={"learningRate": 0.5})
    status = bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod(f"job-{status['run']['id']}")
    bench.run_pod(pod)
    bench.end_pod(pod, 72, failure(status, FailureClass.NON_FINITE_LOSS, "the loss became NaN at step 3."))
    bench.wait(phase="Failed")
    assert only_finalizers(git.others())

    for count in (FEWEST, FEWEST + 1):
        bench.until(lambda: replicas(bench), lambda found, count=count: found == count, 60)
        git.sync()
        assert only_finalizers(git.others())
        assert replicas(bench) == count
        bench.kubectl("scale", "ftj", "job", f"--replicas={FEWEST + 1}")

    git.commit()
    bench.until(bench.status, lambda found: found["run"]["id"] == found["artifact"]["run"])
    assert bench.get("ftj", "job")["spec"]["serving"]["replicas"] == FEWEST + 1
    assert only_finalizers(git.others())
