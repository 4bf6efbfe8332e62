"""Others act on what the operator made: Kueue or a person suspends a Job, another installation serves the namespace."""

from collections.abc import Iterator

import pytest

from devcluster import Access
from tests.integration.operator.operator_process import OperatorProcess
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster

SUSPEND = '{"spec":{"suspend":%s}}'


def test_job_that_somebody_suspends_stays_so_until_the_spec_asks_for_something_else(bench: Workbench) -> None:
    bench.submit()
    bench.wait(reason="Unschedulable")
    name = bench.get("jobs")[0]["metadata"]["name"]

    def suspend(value: str) -> None:
        bench.kubectl("patch", "job", name, "--type=merge", "--field-manager=kueue", "-p", SUSPEND % value)

    suspend("true")
    status = bench.wait(phase="Suspended", reason="SuspendedByOthers")
    assert "suspended by somebody else: by kueue" in status["message"]
    assert "patch/Job" not in bench.writes_in(3)
    suspend("false")
    bench.wait(phase="Pending", reason="Unschedulable")
    bench.edit("job", suspend=True)
    bench.wait(phase="Suspended", reason="Suspended")
    bench.edit("job", suspend=False)
    bench.until(lambda: bench.get("job", name)["spec"]["suspend"], lambda suspended: not suspended)


@pytest.fixture
def second(api: Access, bench: Workbench) -> Iterator[OperatorProcess]:
    """Another installation, of another release, over the same namespace."""
    own = {"FINETUNE_LEASE_NAMESPACE": bench.namespace, "FINETUNE_TRAINER_IMAGE": "trainer:other"}
    process = OperatorProcess(api, bench.namespace, 18393, **own)
    yield process
    process.kill()


def test_second_installation_yields_until_the_first_is_gone(bench: Workbench, second: OperatorProcess) -> None:
    bench.submit()
    bench.wait(reason="Unschedulable")
    second.start()
    bench.until(lambda: second.says("healthz"), lambda said: "default/finetune-operator" in said)
    assert second.says("livez") == "ok"
    bench.edit("job", maxRetries=7)
    bench.until(lambda: bench.get("jobs")[0]["spec"]["backoffLimit"], lambda limit: limit == 7)
    assert second.writes() == {}
    bench.operator.kill()
    # As if it had not renewed its Lease for as long as that lasts.
    soon = '{"spec":{"leaseDurationSeconds":1}}'
    bench.kubectl("patch", "lease", "finetunejobs.finetune.dev", "--type=merge", "-p", soon)
    bench.until(second.healthy, bool, 20)
    bench.edit("job", maxRetries=8)
    bench.until(lambda: bench.get("jobs")[0]["spec"]["backoffLimit"], lambda limit: limit == 8)
    assert second.writes()["patch/Job"] == 1
