"""Chains on a real API server: a FineTuneJob that starts from what another one publishes."""

import json

import pytest

from finetune_api.failures import FailureClass
from tests.builders import Manifest
from tests.integration.operator.runs import failure, success
from tests.integration.operator.test_lifecycle import published
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster

FROM_BASE = {"model": {"source": "job://base", "secretRef": None}}
CHILDREN = "jobs,pods,configmaps,persistentvolumeclaims"


def children(bench: Workbench, name: str) -> list[str]:
    return bench.kubectl("get", CHILDREN, "-l", f"app.kubernetes.io/instance={name}", "-o", "name").split()


def read_model(bench: Workbench, status: Manifest) -> Manifest:
    """Return what the job file of the present run names as the base model."""
    config = bench.get("configmap", f"reader-{status['run']['id']}")
    sources: Manifest = json.loads(config["data"]["job.json"])["sources"]
    return sources["spec.model.source"]


def test_reader_waits_and_starts_when_its_source_publishes(bench: Workbench) -> None:
    bench.submit("reader", **FROM_BASE)
    status = bench.wait("reader", phase="Pending", reason="SourceNotFound")
    assert "No FineTuneJob base (spec.model.source) in namespace" in status["message"]
    bench.submit("base", output={"secretRef": {"name": "theirs"}})
    bench.until(lambda: bench.status("reader")["message"], lambda message: "is Pending (Unschedulable)" in message)
    assert bench.writes_in(3) == {}
    assert children(bench, "reader") == []
    base = published(bench, "base", output={"secretRef": {"name": "theirs"}})
    status = bench.wait("reader", timeout_seconds=5, reason="Unschedulable")
    assert read_model(bench, status) == {
        "job": "base",
        **{key: base["artifact"][key] for key in ("run", "uri", "digest")},
    }
    pod = bench.wait_for_pod("reader")
    secrets = {
        volume["name"]: volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume
    }
    assert secrets == {"secret-model": "theirs", "secret-dataset": "s3", "secret-output": "s3"}
    assert bench.events("reader") == [
        "SourceNotFound",
        "WaitingForSource",
        "SourceResolved",
        "RunStarted",
        "Unschedulable",
    ]
    assert bench.writes_in(6) == {}


def test_failed_source_is_told_and_mended(bench: Workbench) -> None:
    bench.submit("base", maxRetries=0)
    bench.submit("reader", **FROM_BASE)
    bench.wait("reader", reason="WaitingForSource")
    pod = bench.wait_for_pod("base")
    bench.run_pod(pod)
    bench.end_pod(pod, 65, failure(bench.status("base"), FailureClass.BAD_DATA, "train.csv, line 3: no label."))
    status = bench.wait("reader", phase="Pending", reason="SourceFailed")
    assert "BadData: train.csv, line 3: no label." in status["message"]
    failed = status["conditions"]
    assert {c["type"] for c in failed if c["status"] == "True"} == {"Reconciling"}
    bench.edit("base", suspend=True, runId="mended")
    bench.until(lambda: bench.status("reader")["message"], lambda message: "is suspended" in message)
    bench.edit("base", suspend=False)
    base = bench.wait("base", reason="Unschedulable")
    pod = bench.wait_for_pod(f"base-{base['run']['id']}")
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(base))
    bench.wait("reader", timeout_seconds=5, reason="Unschedulable")


def test_killed_operator_and_deleted_source_do_not_disturb_a_run(bench: Workbench) -> None:
    bench.submit("reader", **FROM_BASE)
    bench.wait("reader", reason="SourceNotFound")
    bench.operator.kill()
    bench.submit("base")
    bench.operator.start()
    base = published(bench, "base")
    status = bench.wait("reader", reason="Unschedulable")
    pod = bench.wait_for_pod("reader")
    bench.run_pod(pod)
    bench.operator.kill()
    bench.kubectl("delete", "ftj", "base")
    bench.operator.start()
    bench.wait("reader", phase="Training")
    assert bench.writes_in(6) == {}, "neither an event nor a resync may find anything to do"
    bench.end_pod(pod, 0, success(status, digest="b"))
    done = bench.wait("reader", phase="Succeeded")
    assert done["sources"][0]["digest"] == base["artifact"]["digest"]
    # A namesake that has published nothing changes nothing either; what it publishes does.
    bench.submit("base", runId="anew")
    bench.wait("base", reason="Unschedulable")
    assert bench.status("reader") == done


def test_new_artifact_starts_a_new_run_of_all_down_the_chain(bench: Workbench) -> None:
    published(bench, "base", "a")
    published(bench, "reader", "b", **FROM_BASE)
    bench.submit("last", model={"source": "job://reader"}, serving={"enabled": True})
    first = bench.wait("last", reason="Unschedulable")
    pod = bench.wait_for_pod("last")
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(first, digest="c"))
    before = {name: bench.wait(name, phase=phase) for name, phase in (("reader", "Succeeded"), ("last", "Deploying"))}
    bench.edit("base", training={"seed": 7})
    base = bench.wait("base", reason="Unschedulable")
    assert bench.status("reader") == before["reader"]
    pod = bench.wait_for_pod(f"base-{base['run']['id']}")
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(base, digest="d"))
    status = bench.wait("reader", timeout_seconds=5, reason="Unschedulable")
    assert status["run"]["id"] != before["reader"]["run"]["id"]
    assert read_model(bench, status)["digest"] == f"sha256:{'d' * 64}"
    pod = bench.wait_for_pod(f"reader-{status['run']['id']}")
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(status, digest="e"))
    status = bench.wait("last", timeout_seconds=5, reason="Unschedulable")
    assert status["run"]["id"] != first["run"]["id"]
    assert status["serving"]["run"] == first["run"]["id"]


def test_cycle_is_told_to_each_and_ends_when_one_is_mended(bench: Workbench) -> None:
    for name, source in (("a", "b"), ("b", "c"), ("c", "a")):
        bench.submit(name, model={"source": f"job://{source}"})
    circles = {"a": "a → b → c → a", "b": "b → c → a → b", "c": "c → a → b → c"}
    for name, circle in circles.items():
        status = bench.wait(name, phase="Failed", reason="SourceCycle")
        assert f"FineTuneJobs wait for each other: {circle}. " in status["message"]
        assert "Stalled" in {c["type"] for c in status["conditions"]}
    assert bench.get("jobs") == []
    bench.edit("c", model={"source": "s3://finetune/models/tiny"})
    bench.wait("c", reason="Unschedulable")
    for name in ("a", "b"):
        status = bench.wait(name, phase="Pending", reason="WaitingForSource")
        assert "Stalled" not in {c["type"] for c in status["conditions"]}
