"""One trace per run, told by the real operator and the real trainer to a collector of the test's own."""

import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import TerminationReport
from finetune_api.traces import OTLP_ENDPOINT, SpanRef, attempt_span, launch_span
from finetune_operator.manifests import parse_time, timestamp
from finetune_operator.resource.containers import TRAINER
from tests.collector import Collector, Received, collector
from tests.e2e.trainer.tiny_data import reviews
from tests.e2e.trainer.tiny_models import make_encoder
from tests.e2e.trainer.trainer_process import Site, TrainerProcess, signal_at
from tests.integration.operator.runs import failure, success
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster


@pytest.fixture
def otlp() -> Iterator[Collector]:
    with collector() as found:
        yield found


def restart(bench: Workbench, endpoint: str) -> None:
    """Let the operator die, and one with this endpoint take over."""
    bench.operator.kill()
    bench.operator.start(
        **{OTLP_ENDPOINT: endpoint, "FINETUNE_RECONCILE_SAMPLING_RATIO": "1", "FINETUNE_LOG_FORMAT": "json"}
    )


def ends(bench: Workbench, pod: dict[str, Any], exit_code: int, report: TerminationReport | None = None) -> None:
    """Let the pod's trainer end now, or after the second that it has to have lasted."""
    (status,) = bench.get("pod", pod["metadata"]["name"])["status"]["containerStatuses"]
    start = status["state"]["running"]["startedAt"]
    finished = max(datetime.now(UTC), parse_time(start) + timedelta(seconds=1))
    end = {"exitCode": exit_code, "startedAt": start, "finishedAt": timestamp(finished), "reason": "Ended"}
    if report:
        end["message"] = json.dumps(report.to_wire())
    bench.report_pod(pod, {TRAINER: {"terminated": end}}, phase="Failed" if exit_code else "Succeeded")


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """Return the trainer's variables, as a kubelet sets them."""
    found: dict[str, str] = {}
    for variable in pod["spec"]["containers"][0]["env"]:
        text = variable.get("value") or _field(pod, variable["valueFrom"]["fieldRef"]["fieldPath"])
        found[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found[name[1]], text)
    return found


def _field(pod: dict[str, Any], path: str) -> str:
    for step in path.split("."):
        pod = pod.get(step) or {}
    return str(pod)


def root_of(bench: Workbench) -> SpanRef:
    job = bench.get("ftj", "job")
    return launch_span(job["metadata"]["uid"], job["status"]["run"]["id"], job["status"]["run"]["launch"])


def settled(bench: Workbench, otlp: Collector, name: str, count: int) -> list[Received]:
    return bench.until(lambda: otlp.named(name), lambda spans: len(spans) == count)


def test_a_run_is_one_trace_whatever_becomes_of_the_operator(bench: Workbench, otlp: Collector) -> None:
    bench.submit()
    status = bench.wait(reason="Unschedulable")
    before = bench.get("jobs")[0]["metadata"]["uid"]
    restart(bench, otlp.endpoint)
    first = bench.wait_for_pod()
    bench.run_pod(first)
    bench.wait(phase="Training")
    assert [job["metadata"]["uid"] for job in bench.get("jobs")] == [before], "it goes on as it was launched"
    settled(bench, otlp, "Queue", 1)
    ends(bench, first, 70, failure(status, FailureClass.BUG, "It broke."))
    settled(bench, otlp, "Attempt", 1)

    restart(bench, otlp.endpoint)
    second = bench.wait_for_pod(but=first["metadata"]["name"])
    bench.run_pod(second)
    bench.wait(phase="Training")
    ends(bench, second, 0, success(status))
    bench.wait(phase="Succeeded")
    settled(bench, otlp, "Run", 1)
    restart(bench, otlp.endpoint)
    bench.until(lambda: len(otlp.named("Reconcile")), lambda count: count > 6)
    bench.operator.terminate()

    root = root_of(bench)
    (run,) = otlp.named("Run")
    assert (run.trace_id, run.span_id, run.parent_id) == (root.trace_id, root.span_id, "")
    assert run.attributes["finetune.outcome"] == "Succeeded"
    assert [span.span_id for span in otlp.named("Attempt")] == [
        attempt_span(root, pod["metadata"]["uid"]).span_id for pod in (first, second)
    ]
    assert [span.error for span in otlp.named("Attempt")] == ["It broke.", None]
    assert {span.parent_id for name in ("Queue", "Attempt") for span in otlp.named(name)} == {root.span_id}
    reconciles = otlp.named("Reconcile")
    assert {span.links for span in reconciles if span.links} == {((root.trace_id, root.span_id),)}
    assert not {span.trace_id for span in reconciles} & {root.trace_id}
    lines = [json.loads(line) for line in bench.operator.log.read_text().splitlines() if line.startswith("{")]
    assert {line["trace_id"] for line in lines if line.get("run")} == {root.trace_id}


@pytest.mark.slow
def test_operator_and_trainers_tell_one_tree(bench: Workbench, otlp: Collector, tmp_path: Path) -> None:
    site = Site(tmp_path / "volumes", tmp_path / "pod")
    for claim in ("models", "data", "out"):
        (site.volumes / claim).mkdir(parents=True)
    make_encoder(site.volumes / "models/encoder")
    restart(bench, otlp.endpoint)
    bench.submit(
        model={"source": "pvc://models/encoder"},
        tuning={"method": "LoRA", "lora": {"rank": 4, "alpha": 8}},
        dataset={
            "train": {"source": site.write("train.jsonl", reviews())},
            "evaluation": {"source": site.write("held-out.jsonl", reviews()[11:13])},
        },
        training={"epochs": None, "maxSteps": 30, "batchSize": 4, "checkpointIntervalSteps": 10},
        output={"destination": "pvc://out/tuned"},
    )
    bench.wait(reason="Unschedulable")
    first = bench.wait_for_pod()
    assert _trains(bench, site, first, "checkpoint at step 20").wait() == -signal.SIGKILL
    ends(bench, first, 137)
    second = bench.wait_for_pod(but=first["metadata"]["name"])
    done = _trains(bench, site, second).succeeded()
    ends(bench, second, 0, done.report)
    bench.wait(phase="Succeeded")
    settled(bench, otlp, "Run", 1)

    root = root_of(bench)
    print(otlp.tree(root.trace_id))
    spans = {span.span_id: span for span in otlp.spans if span.trace_id == root.trace_id}
    assert [span.name for span in spans.values() if span.parent_id not in spans] == ["Run"]
    stages = {span.name: spans[span.parent_id] for span in spans.values() if span.name in ("Train", "Push")}
    assert [attempt.attributes["k8s.pod.uid"] for attempt in stages.values()] == [second["metadata"]["uid"]] * 2
    assert otlp.one("Train").resource["k8s.pod.uid"] == second["metadata"]["uid"]
    assert otlp.one("Train").attributes["finetune.resumed_from_step"] == 20


def _trains(bench: Workbench, site: Site, pod: dict[str, Any], pattern: str = "") -> TrainerProcess:
    """Let the trainer run as it does in this pod, until it says this."""
    bench.run_pod(pod)
    bench.wait(phase="Training")
    job = json.loads(bench.get("configmaps", _job_file(pod))["data"]["job.json"])
    return site.run(job, partial(_be, environment(bench.get("pod", pod["metadata"]["name"])), pattern))


def _job_file(pod: dict[str, Any]) -> str:
    name: str = next(volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if volume["name"] == "job")
    return name


def _be(variables: dict[str, str], pattern: str) -> None:
    traced = {name: value for name, value in variables.items() if name.startswith(("OTEL_", "TRACEPARENT"))}
    os.environ |= traced
    if pattern:
        signal_at(pattern, signal.SIGKILL)
