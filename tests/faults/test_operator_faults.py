"""What goes wrong around the operator: the API server away, watches that lose something, pods that do not answer."""

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devcluster import Cluster
from finetune_api.handoff import Stage
from finetune_operator.cluster.progress import PULL_TIMEOUT_SECONDS
from tests.integration.operator.runs import progress, success
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster

LONGER_THAN_KOPF_WOULD_WAIT_SECONDS = 60
UNREACHABLE = "198.18.255.254"
SILENT_PODS = 20


@contextmanager
def without_api_server(bench: Workbench) -> Iterator[None]:
    assert isinstance(bench.cluster, Cluster)
    bench.cluster.kill("kube-apiserver")
    try:
        yield
    finally:
        bench.cluster.start("kube-apiserver")
        # They would hold back for up to a minute after an outage: begin anew, so that only the operator is judged.
        for controllers in ("kube-controller-manager", "kube-scheduler"):
            bench.cluster.kill(controllers)
            bench.cluster.start(controllers)


@pytest.mark.slow
def test_long_outage_of_the_api_server_ends_nothing_and_doubles_nothing(bench: Workbench) -> None:
    bench.submit("before")
    bench.wait("before", reason="Unschedulable")
    with without_api_server(bench):
        time.sleep(LONGER_THAN_KOPF_WOULD_WAIT_SECONDS)
        assert bench.operator.healthy()
    bench.submit("after")
    bench.until(lambda: bench.get("jobs"), lambda jobs: len(jobs) == 2, 40)
    assert bench.writes_in(10).keys() <= {"status/FineTuneJob", "create/Event"}
    assert len(bench.get("jobs")) == 2
    assert "Traceback" not in bench.operator.log.read_text()


def test_deletion_that_no_watch_told_of_is_noticed(bench: Workbench) -> None:
    bench.submit()
    bench.wait(reason="Unschedulable")
    (job,) = bench.get("jobs")
    bench.operator.send(signal.SIGSTOP)
    # A new API server remembers no old versions: the watches have to list again, and then miss the deletion.
    with without_api_server(bench):
        time.sleep(1)
    bench.kubectl("delete", "job", job["metadata"]["name"])
    bench.until(lambda: bench.get("pods"), lambda pods: not pods)
    bench.operator.send(signal.SIGCONT)
    (again,) = bench.until(lambda: bench.get("jobs"), len, 40)
    assert again["metadata"]["uid"] != job["metadata"]["uid"]


def test_pod_that_does_not_answer_is_no_failure_and_holds_nobody_up(bench: Workbench) -> None:
    for index in range(SILENT_PODS):
        bench.submit(f"silent-{index}")
    for pod in bench.until(lambda: bench.get("pods"), lambda pods: len(pods) == SILENT_PODS, 40):
        bench.run_pod(pod, UNREACHABLE)
    for index in range(SILENT_PODS):
        bench.wait(f"silent-{index}", phase="Training")
    started = time.monotonic()
    bench.submit("next")
    bench.wait("next", reason="Unschedulable")
    assert time.monotonic() - started < SILENT_PODS * PULL_TIMEOUT_SECONDS / 2
    bench.until(lambda: bench.events("next"), lambda told: "Unschedulable" in told)
    assert bench.writes_in(5) == {}


def test_pod_that_falls_silent_keeps_its_progress_and_its_success_counts(bench: Workbench) -> None:
    bench.submit()
    status = bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod()
    address, _ = bench.serve_progress(progress(status, Stage.TRAIN, 30))
    bench.run_pod(pod, address)
    bench.until(bench.status, lambda found: "progress" in found)
    bench.stop_progress()
    assert bench.writes_in(4) == {}
    assert bench.status()["progress"]["step"] == 30
    bench.end_pod(pod, 0, success(status))
    bench.wait(phase="Succeeded")


def test_nonsense_from_a_pod_changes_nothing(bench: Workbench) -> None:
    bench.submit()
    status = bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod()
    foreign = progress(status, Stage.PUSH, 199).model_copy(update={"run_id": "00000000"})
    address, _ = bench.serve_progress(foreign)
    bench.run_pod(pod, address)
    bench.wait(phase="Training")
    assert bench.writes_in(3) == {}
    assert "progress" not in bench.status()


def test_store_that_is_restored_from_a_backup_is_believed(bench: Workbench, tmp_path: Path) -> None:
    assert isinstance(bench.cluster, Cluster)
    store, backup = bench.cluster.audit_log.parent.parent / "etcd", tmp_path / "etcd"
    bench.submit("before")
    bench.wait("before", reason="Unschedulable")
    with without_api_server(bench):
        bench.cluster.kill("etcd")
        shutil.copytree(store, backup)
        bench.cluster.start("etcd")
    bench.edit("before", suspend=True)
    bench.wait("before", phase="Suspended")
    bench.submit("forgotten")
    bench.wait("forgotten", reason="Unschedulable")
    with without_api_server(bench):
        bench.cluster.kill("etcd")
        shutil.rmtree(store)
        shutil.copytree(backup, store)
        bench.cluster.start("etcd")
    assert bench.get("ftj", "forgotten") is None
    bench.until(lambda: "history has gone back" in bench.operator.log.read_text(), bool, 20)
    bench.edit("before", suspend=True)
    bench.wait("before", phase="Suspended")
    # The watches tell again, long before the next resync would.
    started = time.monotonic()
    bench.submit("after")
    bench.wait("after", reason="Unschedulable")
    assert time.monotonic() - started < 4
    assert "Traceback" not in bench.operator.log.read_text()
