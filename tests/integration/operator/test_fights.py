"""Others act on what the operator made: Kueue or a person suspends a Job, another installation serves the namespace."""

import pytest

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
