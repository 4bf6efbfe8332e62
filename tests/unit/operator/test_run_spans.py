"""The trace of a run: its ids, what the operator tells of it and when, and what the training pods are given for it."""

import json
import logging
import random
import socket
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from finetune_api.span_sender import HELD_SPANS
from finetune_api.spans import new_ref, open_spans
from finetune_api.traces import (
    Span,
    SpanRef,
    attempt_span,
    launch_span,
    part_of,
    read_traceparent,
    trace_id,
    traceparent,
)
from finetune_operator.desired.tracing import TraceExport
from finetune_operator.errors import SettingsError
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import uid_of
from finetune_operator.settings import read_settings
from finetune_operator.state.plan import Plan
from tests.collector import collector
from tests.unit.operator.builders import NOW, POLICY, Scene, is_idle, kinds
from tests.unit.operator.test_occurrences import ends, later, succeeds, works

ENDPOINT = "http://collector:4318"
TRACED = replace(POLICY, traces=TraceExport(ENDPOINT))


def traced(**spec: Any) -> Scene:
    scene = Scene(**spec)
    scene.policy = TRACED
    return scene


def root(scene: Scene) -> SpanRef:
    run = scene.status["run"]
    return launch_span("uid-of-job", run["id"], run["launch"])


def named(plan: Plan) -> dict[str, Span]:
    return {str(span.name): span for span in plan.spans}


def environment(scene: Scene) -> dict[str, Manifest]:
    (container,) = scene.training_job["spec"]["template"]["spec"]["containers"]
    names = [variable["name"] for variable in container["env"]]
    assert len(names) == len(set(names))
    return {variable["name"]: variable for variable in container["env"]}


# The ids: releases to come have to find the same ones, or a trace falls apart while the operator is upgraded.


def test_ids_follow_from_the_run_and_stay_the_same() -> None:
    launch = launch_span("uid", "8c1f27aa", "digest")
    assert launch == SpanRef("c5dce1447acdb5066605dbefe440bb59", "179fa1b1938bd739")
    assert attempt_span(launch, "pod").span_id == "7a724013a58f37fa"
    assert traceparent(launch) == f"00-{launch.trace_id}-{launch.span_id}-01"
    other = launch_span("uid", "8c1f27aa", "other digest")
    assert (other.trace_id, other.span_id != launch.span_id) == (launch.trace_id, True)
    assert trace_id("uid", "8c1f27ab") != launch.trace_id != trace_id("uid-2", "8c1f27aa")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", (SpanRef("a" * 32, "b" * 16), True)),
        (f"00-{'a' * 32}-{'b' * 16}-00", (SpanRef("a" * 32, "b" * 16), False)),
        (f"00-{'a' * 31}-{'b' * 16}-01", None),
        ("", None),
    ],
)
def test_w3c_contexts_are_read(text: str, found: object) -> None:
    assert read_traceparent(text) == found


# What pods are given.


def test_pods_of_a_launch_find_the_trace_and_the_collector() -> None:
    scene = traced()
    scene.policy = replace(POLICY, traces=TraceExport(ENDPOINT, ("otlp", "headers")))
    scene.act()
    given = environment(scene)
    assert given["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"] == ENDPOINT
    assert given["TRACEPARENT"]["value"] == traceparent(root(scene))
    assert given["OTEL_EXPORTER_OTLP_HEADERS"]["valueFrom"] == {
        "secretKeyRef": {"name": "otlp", "key": "headers", "optional": True}
    }
    assert given["OTEL_RESOURCE_ATTRIBUTES"]["value"].startswith(
        "k8s.pod.name=$(OTEL_RESOURCE_ATTRIBUTES_POD_NAME),k8s.pod.uid=$(OTEL_RESOURCE_ATTRIBUTES_POD_UID),"
    )
    assert list(given).index("OTEL_RESOURCE_ATTRIBUTES_POD_UID") < list(given).index("OTEL_RESOURCE_ATTRIBUTES")


def test_a_variable_of_the_spec_wins() -> None:
    own = [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://mine:4318"}]
    scene = traced(compute={"env": own})
    scene.act()
    assert environment(scene)["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"] == "http://mine:4318"


def test_without_an_endpoint_pods_are_as_before_and_nothing_is_told() -> None:
    scene = Scene()
    plans = [scene.act()]
    assert not [name for name in environment(scene) if name.startswith(("OTEL", "TRACE"))]
    ends(scene, works(scene), 0)
    plans.append(scene.job_ends("Complete").act())
    assert [plan.spans for plan in plans] == [(), ()]


@pytest.mark.parametrize("turned", ["on", "off"])
def test_turning_tracing_on_or_off_touches_no_run(turned: str) -> None:
    scene = traced() if turned == "off" else Scene()
    scene.act()
    works(scene)
    scene.act()
    before = dict(scene.status["run"])
    scene.policy = TRACED if turned == "on" else POLICY
    assert is_idle(scene.decide())
    ends(scene, scene.one("Pod"), 0)
    scene.act()
    assert (scene.status["run"]["id"], scene.status["run"]["launch"]) == (before["id"], before["launch"])
    scene = Scene().succeeds()
    scene.policy = TRACED
    plan = scene.act()
    assert (kinds(plan), plan.deletes) == ([], ())


# What the operator tells, and that it tells it once.


def test_a_run_is_told_when_its_outcome_is_in_the_status_with_its_wait_and_its_attempts() -> None:
    scene = traced()
    assert scene.act().spans == ()
    failed = works(later(scene, 40))
    queue = named(scene.act())
    assert list(queue) == ["Queue"]
    assert (queue["Queue"].end - queue["Queue"].start).total_seconds() == 40
    ends(later(scene, 60), failed, 70, json.dumps(scene.report(FailureClass.BUG, "It broke.").to_wire()))
    first = named(scene.act())["Attempt"]
    assert (first.ref, first.parent) == (attempt_span(root(scene), uid_of(failed)), root(scene))
    assert (first.attributes["error.type"], first.error) == ("Bug", "It broke.")
    assert (first.attributes["process.exit.code"], first.attributes["k8s.node.name"]) == (70, "node-1")
    assert (first.end - first.start).total_seconds() == 60

    second = works(later(scene, 10))
    assert scene.says(Stage.PUSH).act().spans == ()
    ends(later(scene, 60), second, 0, json.dumps(scene.report().to_wire()))
    scene.progress = None
    plans = [scene.act(), scene.job_ends("Complete", failed=1).act(), later(scene, 60).act()]
    told = [span for plan in plans for span in plan.spans]
    assert [str(span.name) for span in told] == ["Attempt", "Run"]
    attempt, run = told
    assert (attempt.ref, attempt.error) == (attempt_span(root(scene), uid_of(second)), None)
    assert (run.ref, run.parent, run.error) == (root(scene), None, None)
    assert run.start == NOW
    assert (run.end - run.start).total_seconds() == 40 + 60 + 10 + 60
    assert run.attributes["finetune.outcome"] == "Succeeded"
    assert run.attributes["finetune.artifact.digest"] == scene.status["artifact"]["digest"]
    assert {span.ref.trace_id for span in told} == {trace_id("uid-of-job", scene.status["run"]["id"])}


def test_a_pod_that_goes_without_a_word_is_told_as_far_as_it_was_seen() -> None:
    scene = traced()
    scene.act()
    pod = works(scene)
    scene.act()
    scene.now += timedelta(seconds=30, microseconds=7)
    scene.remove(pod, seen=False)
    attempt = named(scene.act())["Attempt"]
    assert attempt.ref == attempt_span(root(scene), uid_of(pod))
    assert round((attempt.end - attempt.start).total_seconds()) == 30
    assert "process.exit.code" not in attempt.attributes
    assert scene.act().spans == ()


def test_a_run_that_fails_says_why_once() -> None:
    scene = traced()
    scene.act()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "Row 3 has no label."))
    told = [*scene.act().spans, *scene.job_ends("Failed", "PodFailurePolicy", failed=1).act().spans, *scene.act().spans]
    (run,) = told
    assert run.attributes["error.type"] == "BadData"
    assert run.error is not None
    assert run.error.startswith("Row 3 has no label.")


def test_an_edited_run_ends_superseded_in_its_own_trace() -> None:
    scene = traced()
    scene.act()
    pod = works(later(scene, 10))
    scene.act()
    old = root(scene)
    plan = later(scene, 30).edit(training={"seed": 7}).act()
    told = named(plan)
    assert (told["Run"].ref, told["Run"].attributes["finetune.outcome"]) == (old, "Superseded")
    assert told["Attempt"].ref == attempt_span(old, uid_of(pod))
    assert root(scene).trace_id != old.trace_id
    assert not [span for span in scene.act().spans if span.ref == old]


def test_a_run_that_is_gone_back_to_is_not_told_again() -> None:
    scene = traced()
    scene.act()
    pod = works(later(scene, 10))
    scene.act()
    ends(later(scene, 60), pod, 0, json.dumps(scene.report().to_wire()))
    told = scene.job_ends("Complete").act().spans
    assert [str(span.name) for span in told] == ["Attempt", "Run"]
    scene.edit(training={"seed": 7})
    succeeds(scene)
    later(scene, 60).act()
    scene.edit(training={"seed": None})
    assert [span for _ in range(3) for span in later(scene, 60).act().spans] == []
    assert scene.status["run"]["id"] == told[0].attributes["finetune.run.id"]


def test_a_rollout_is_told_when_the_model_answers_for_the_first_time() -> None:
    scene = traced(serving={"enabled": True}).succeeds()
    later(scene, 90).becomes_available(scene.one("Deployment"))
    rollout = named(scene.act())["Rollout"]
    assert rollout.parent == root(scene)
    assert rollout.ref == part_of(root(scene), f"Rollout {uid_of(scene.one('Deployment'))}")
    assert 60 < (rollout.end - rollout.start).total_seconds() <= 90
    assert later(scene, 60).act().spans == ()


# The sender.


def test_a_collector_that_does_not_answer_is_told_once_and_takes_neither_time_nor_random_numbers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://user:secret@127.0.0.1:{closed.getsockname()[1]}"
    words: list[str] = []
    numbers = random.getstate()
    with caplog.at_level(logging.DEBUG):
        sender = open_spans(endpoint, {"service.name": "test"}, words.append)
        for _ in range(HELD_SPANS + 100):
            sender.send(Span("work", new_ref(), NOW, NOW))
        began = time.monotonic()
        sender.close(1.0)
    assert time.monotonic() - began < 8, "a request waits for 10 s"
    assert random.getstate() == numbers
    (complaint,) = words
    assert complaint.startswith(f"spans do not reach {endpoint.replace('user:secret@', '')}")
    assert "secret" not in complaint
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []


def test_spans_arrive_with_the_ids_that_were_derived() -> None:
    launch = launch_span("uid", "run", "launch")
    with collector() as found:
        sender = open_spans(f"{found.endpoint}/", {"service.name": "test"}, pytest.fail)
        attributes = {"finetune.run.id": "run"}
        sender.send(Span("Run", launch, NOW, later(Scene(), 5).now, attributes=attributes, error="It broke."))
        sender.send(Span("Queue", part_of(launch, "Queue"), NOW, NOW, launch, link=SpanRef("a" * 32, "b" * 16)))
        sender.close(5)
    run, queue = found.one("Run"), found.one("Queue")
    assert (run.trace_id, run.span_id, run.parent_id) == (launch.trace_id, launch.span_id, "")
    assert (run.end - run.start, run.attributes, run.error) == (5, attributes, "It broke.")
    assert run.resource["service.name"] == "test"
    assert (queue.trace_id, queue.parent_id, queue.links) == (launch.trace_id, run.span_id, (("a" * 32, "b" * 16),))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--otlp-endpoint", "collector:4318"], "expected an address as http://host:4318"),
        (
            ["--otlp-endpoint", "http://me:secret@collector:4318"],
            "must not hold credentials; store headers in a Secret",
        ),
        (["--otlp-headers-secret", "otlp"], "expected NAME/KEY"),
        (["--reconcile-sampling-ratio", "2"], "expected 0 to 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(arguments: list[str], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        read_settings(arguments, {})
    settings = read_settings([], {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "FINETUNE_OTLP_HEADERS_SECRET": "otlp/key"})
    assert settings.traces == TraceExport(ENDPOINT, ("otlp", "key"))
    assert read_settings([], {}).traces is None
