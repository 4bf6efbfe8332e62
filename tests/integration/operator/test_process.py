"""The operator as a process: restarts, kills, two replicas, ends."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import Access
from tests.builders import finetune_job
from tests.integration.operator.operator_process import OperatorProcess
from tests.integration.operator.runs import success
from tests.integration.operator.test_lifecycle import published
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster

END_WITHIN_SECONDS = 5
TAKE_OVER_WITHIN_SECONDS = 20


def test_restart_writes_nothing(bench: Workbench) -> None:
    published(bench, "done", serving={"enabled": True, "replicas": 0})
    bench.wait("done", phase="Ready")
    bench.submit("waiting")
    bench.wait("waiting", reason="Unschedulable")
    bench.submit("suspended", suspend=True)
    bench.wait("suspended", phase="Suspended")
    time.sleep(2)
    bench.operator.kill()
    bench.operator.start()
    time.sleep(10)
    assert bench.operator.writes() == {}


def test_end_is_clean_and_quick(bench: Workbench) -> None:
    bench.submit()
    bench.wait(reason="Unschedulable")
    code, seconds = bench.operator.terminate()
    assert code == 0
    assert seconds < END_WITHIN_SECONDS
    assert "Traceback" not in bench.operator.log.read_text()


def test_metrics_tell_jobs_by_phase_and_what_was_done(bench: Workbench) -> None:
    bench.submit()
    bench.submit("asleep", suspend=True)
    bench.wait(reason="Unschedulable")
    bench.wait("asleep", phase="Suspended")
    by_phase = {labels["phase"]: count for labels, count in bench.operator.samples("jobs")}
    assert by_phase == {"Pending": 1, "Suspended": 1}
    results = {labels["result"]: count for labels, count in bench.operator.samples("reconcile_total")}
    assert results["ok"] >= 2

    def reasons() -> dict[str, str]:
        return {labels["name"]: labels["reason"] for labels, _ in bench.operator.samples("job_status_info")}

    assert reasons() == {"job": "Unschedulable", "asleep": "Suspended"}
    created = [count for labels, count in bench.operator.samples("api_requests_total") if labels["verb"] == "create"]
    assert sum(created) >= 3
    bench.kubectl("delete", "finetunejob", "job", "--wait=false")
    bench.until(reasons, lambda told: told == {"asleep": "Suspended"})


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"KUBECONFIG": "/nowhere/kubeconfig"}, "cannot start"),
        ({"FINETUNE_HTTP_PORT": "many"}, "FINETUNE_HTTP_PORT is 'many'; expected a whole number"),
    ],
)
def test_wrong_start_is_explained_without_a_traceback(environment: dict[str, str], words: str) -> None:
    command = [sys.executable, "-m", "finetune_operator"]
    ended = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_kills_at_random_moments_lose_and_double_nothing(bench: Workbench) -> None:
    moments = random.Random(7)
    names = [f"job-{index}" for index in range(6)]
    bench.kubectl("apply", "-f", "-", input_text=_list(bench.namespace, names))
    for _ in range(6):
        time.sleep(moments.uniform(0.0, 0.5))
        bench.operator.kill()
        bench.operator.start()
    for name in names:
        bench.wait(name, 30, reason="Unschedulable")
    jobs = bench.get("jobs")
    assert len(jobs) == len(bench.get("pods")) == len(names)
    assert {job["metadata"]["labels"]["app.kubernetes.io/instance"] for job in jobs} == set(names)
    assert len(bench.get("persistentvolumeclaims")) == len(names)
    status = bench.status("job-0")
    pod = bench.wait_for_pod("job-0")
    bench.operator.kill()
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(status))
    bench.until(lambda: bench.get("job", jobs[0]["metadata"]["name"])["status"].get("succeeded"), lambda n: n == 1)
    bench.operator.start()
    assert bench.wait("job-0", phase="Succeeded")["run"]["startedAt"] == status["run"]["startedAt"]


def test_namespace_that_may_not_be_read_is_named_and_stops_no_other(
    api: Access, bench: Workbench, tmp_path: Path
) -> None:
    bench.operator.kill()
    closed = f"{bench.namespace}-closed"
    bench.kubectl("create", "namespace", closed)
    bench.kubectl("create", "serviceaccount", "operator")
    grant = ("create", "rolebinding", "operator", "--clusterrole=cluster-admin")
    account = f"--serviceaccount={bench.namespace}:operator"
    bench.kubectl(*grant, account)
    kubeconfig = json.loads(bench.kubectl("config", "view", "--raw", "-o", "json"))
    kubeconfig["users"][0]["user"] = {"token": bench.kubectl("create", "token", "operator").strip()}
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    own = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
    bench.operator = operator = OperatorProcess(api, f"{closed},{bench.namespace}", 18393, **own)
    operator.start()
    try:
        bench.submit()
        bench.wait(reason="Unschedulable")
        told = operator.says("healthz")
        assert told.startswith(f"namespace {closed} cannot be listed: finetunejobs.finetune.dev is forbidden")
        assert operator.says("livez") == "ok"
        listed = {labels["namespace"]: value for labels, value in operator.samples("namespace_listed")}
        assert listed == {closed: 0.0, bench.namespace: 1.0}
        api.run_kubectl("--namespace", closed, *grant, account)
        api.apply(finetune_job("late", closed))
        bench.until(lambda: api.run_kubectl("--namespace", closed, "get", "jobs", "-o", "name"), bool, 20)
        assert operator.healthy()
    finally:
        operator.kill()
        api.run_kubectl("delete", "namespace", closed, "--wait=false")


def _list(namespace: str, names: list[str]) -> str:

    items = [finetune_job(name, namespace) for name in names]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@pytest.fixture
def replicas(api: Access, bench: Workbench) -> Iterator[list[OperatorProcess]]:
    """Two replicas with leader election, instead of the one without."""
    bench.operator.kill()
    lease = {"FINETUNE_LEADER_ELECTION": "on", "FINETUNE_LEASE_NAMESPACE": bench.namespace}
    found = [OperatorProcess(api, bench.namespace, port, **lease) for port in (18391, 18392)]
    for replica in found:
        replica.start()
        bench.until(lambda: holder(bench), lambda name: name)
    yield found
    for replica in found:
        replica.kill()


def holder(bench: Workbench) -> str:
    lease = bench.get("lease", "finetune-operator")
    return str(lease["spec"].get("holderIdentity", "")) if lease else ""


def test_one_of_two_replicas_acts(bench: Workbench, replicas: list[OperatorProcess]) -> None:
    leader, standby = replicas
    bench.submit()
    bench.wait(reason="Unschedulable")
    assert leader.writes()["create/Job"] == 1
    assert standby.writes() == {}
    assert standby.healthy()


def test_standby_takes_over_from_a_killed_leader(bench: Workbench, replicas: list[OperatorProcess]) -> None:
    leader, standby = replicas
    leader.kill()
    started = time.monotonic()
    bench.submit()
    bench.until(lambda: bench.get("jobs"), len, TAKE_OVER_WITHIN_SECONDS)
    assert time.monotonic() - started < TAKE_OVER_WITHIN_SECONDS
    assert standby.writes()["create/Job"] == 1


def test_leader_that_ends_hands_over_at_once(bench: Workbench, replicas: list[OperatorProcess]) -> None:
    leader, standby = replicas
    code, seconds = leader.terminate()
    assert (code, seconds < END_WITHIN_SECONDS) == (0, True)
    bench.submit()
    bench.until(lambda: bench.get("jobs"), len, 6)
    assert holder(bench) == "test-18392"
    assert "Traceback" not in standby.log.read_text()


def test_leader_that_loses_its_lease_ends(bench: Workbench, replicas: list[OperatorProcess]) -> None:
    replicas[1].kill()
    usurp = '{"spec":{"holderIdentity":"usurper","leaseDurationSeconds":3600}}'

    def is_gone() -> bool:
        bench.kubectl("patch", "lease", "finetune-operator", "--type=merge", "-p", usurp)
        return not replicas[0].healthy()

    bench.until(is_gone, lambda gone: gone, TAKE_OVER_WITHIN_SECONDS)
