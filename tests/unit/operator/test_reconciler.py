"""Failures of the API server, and of the operator: retried, told when they last, and forgotten when they pass."""

import itertools
import json
import logging
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest

from finetune_api.spans import NoSpans
from finetune_api.traces import Span, launch_span, trace_id
from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.port import Listing
from finetune_operator.cluster.progress import ProgressBoard
from finetune_operator.cluster.territory import Territory
from finetune_operator.desired.tracing import TraceExport
from finetune_operator.errors import Attempt, ClusterError, Conflict, NotFound, Refused, Unavailable
from finetune_operator.kinds import Kind, Manifest
from finetune_operator.logs import JsonFormatter
from finetune_operator.manifests import name_of
from finetune_operator.metrics import Tally
from finetune_operator.occurrence import Measure, Occurrence
from finetune_operator.reconcile import reconciler as reconciler_module
from finetune_operator.reconcile.reconciler import LASTING_FAILURES, Reconciler
from finetune_operator.reconcile.tracing import ReconcileSpans
from finetune_operator.state.children.contest import TOLD_FROM
from tests.builders import finetune_job
from tests.unit.operator.builders import DIGEST, POLICY

KEY = Key("default", "job")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Server:
    """Keeps what is written; fails at what a test names, as verb or verb/Kind."""

    def __init__(self) -> None:
        self.failures: dict[str, ClusterError] = {}
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.events: list[Manifest] = []
        self._versions = itertools.count(10)

    async def get(self, kind: Kind, _namespace: str, name: str) -> Manifest | None:
        return self.objects.get((kind.kind, name))

    async def snapshot(self, _kind: Kind, _namespace: str | None = None, **_: Any) -> Listing:
        raise NotImplementedError

    async def heads(self, _kind: Kind, _namespace: str, **_: Any) -> list[Manifest]:
        return []

    async def list(self, kind: Kind, _namespace: str | None = None, **_: Any) -> list[Manifest]:
        self._attempt("list", kind.kind, "")
        return []

    async def create(self, manifest: Manifest) -> Manifest:
        self._attempt("create", manifest["kind"], name_of(manifest))
        return self._store(manifest)

    async def apply(self, manifest: Manifest, **_: Any) -> Manifest:
        self._attempt("apply", manifest["kind"], name_of(manifest))
        return self._store(manifest)

    async def merge(self, live: Manifest, changes: Manifest) -> Manifest:
        self._attempt("patch", live["kind"], name_of(live))
        return self._store({**live, "spec": {**live["spec"], **changes["spec"]}})

    async def replace_status(self, resource: Manifest, status: Manifest) -> Manifest:
        self._attempt("status", resource["kind"], name_of(resource))
        return self._store({**resource, "status": status})

    async def delete(self, live: Manifest) -> Manifest | None:
        self._attempt("delete", live["kind"], name_of(live))
        self.objects.pop((live["kind"], name_of(live)), None)
        return None

    async def create_lease(self, lease: Manifest) -> None:
        self._store(lease)

    async def replace_lease(self, lease: Manifest) -> Manifest:
        return self._store(lease)

    async def record(self, event: Manifest) -> None:
        self._attempt("create", "Event", name_of(event))
        self.events.append(event)

    def _attempt(self, verb: str, kind: str, name: str) -> None:
        error = self.failures.get(verb) or self.failures.get(f"{verb}/{kind}")
        if error is not None:
            error.attempt = Attempt(verb, kind, name) if verb != "list" else Attempt()
            raise error

    def _store(self, manifest: Manifest) -> Manifest:
        stored = deepcopy(manifest)
        name = (manifest["kind"], name_of(manifest))
        created = {"uid": "-".join(name), "creationTimestamp": "2026-01-02T03:04:05Z"}
        stored["metadata"] = {**created, **stored["metadata"], "resourceVersion": str(next(self._versions))}
        self.objects[name] = stored
        return stored


class Counted(Tally):
    """Keeps what it is told to count."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Occurrence] = []

    def count(self, namespace: str, occurrences: Iterable[Occurrence]) -> None:
        assert namespace == KEY.namespace
        self.told += occurrences


class KeptSpans(NoSpans):
    """Keeps the spans that are sent."""

    def __init__(self) -> None:
        self.sent: list[Span] = []

    def send(self, *spans: Span) -> None:
        self.sent += spans


class Scene:
    """A FineTuneJob, and the operator working on it."""

    def __init__(self) -> None:
        self.server = Server()
        self.tally = Counted()
        self.spans = KeptSpans()
        self.cache = Cache(lambda _: None)
        resource = finetune_job("job")
        resource["metadata"] |= {"uid": "uid-1", "generation": 1, "resourceVersion": "1"}
        self.cache.put(resource)
        self.reconciler = self.another()

    def another(self) -> Reconciler:
        """Return what reconciles, as a process that starts anew makes it."""
        return Reconciler(
            cluster=self.server,
            cache=self.cache,
            territory=Territory(self.server, "system/operator", set),
            board=ProgressBoard(1.0, lambda _: None),
            policy=replace(POLICY, traces=TraceExport("http://collector:4318")),
            identity="test",
            clock=lambda: NOW,
            tally=self.tally,
            spans=ReconcileSpans(self.spans, 0.0, enabled=True),
        )

    async def work(self, times: int = 1) -> list[bool]:
        """Reconcile some times; return for each whether it went through."""
        return [await self._went_through() for _ in range(times)]

    async def _went_through(self) -> bool:
        try:
            await self.reconciler.reconcile(KEY)
        except (ClusterError, ZeroDivisionError):
            return False
        return True

    def of_kind(self, kind: str) -> list[Manifest]:
        return [child for child in self.cache.children("uid-1") if child["kind"] == kind]

    def edit(self, status: Manifest | None = None, **spec: Any) -> None:
        resource = deepcopy(self.cache.resource(KEY))
        assert resource is not None
        version = int(resource["metadata"]["resourceVersion"]) + 100
        resource["metadata"] |= {"resourceVersion": str(version), "generation": 2}
        self.server._versions = itertools.count(version + 1)
        told = {} if status is None else {"status": status}
        self.cache.put({**resource, **told, "spec": {**resource["spec"], **spec}})

    @property
    def status(self) -> Manifest:
        return (self.cache.resource(KEY) or {}).get("status") or {}


async def test_refused_change_is_told_at_once_and_stops_no_deletion() -> None:
    scene = Scene()
    await scene.work()
    scene.edit(maxRetries=9)
    scene.server.failures = {"patch": Refused("denied the request: no")}
    assert await scene.work() == [True]
    assert scene.status["reason"] == "AdmissionRefused"
    assert "cannot be changed" in scene.status["message"]
    scene.server.failures = {}
    await scene.work()
    assert scene.status["reason"] != "AdmissionRefused"
    assert scene.cache.children("uid-1")


@pytest.mark.parametrize("error", [Unavailable("failed calling webhook"), NotFound("no such thing")])
async def test_other_failures_are_told_when_they_last(error: ClusterError) -> None:
    scene = Scene()
    scene.server.failures = {"create/Job": error}
    assert await scene.work(LASTING_FAILURES - 1) == [False] * (LASTING_FAILURES - 1)
    assert scene.status == {}
    assert await scene.work(2) == [True, True]
    assert scene.status["reason"] in ("AdmissionRefused", "ApiServerRefused")
    assert str(error) in scene.status["message"]
    scene.server.failures = {}
    await scene.work()
    assert scene.status["reason"] == "CreatingPod"


async def test_reads_that_are_forbidden_are_told() -> None:
    scene = Scene()
    scene.server.failures = {"list": Refused("jobs.batch is forbidden")}
    assert await scene.work() == [True]
    assert scene.status["message"].startswith("An object")
    assert "jobs.batch is forbidden" in scene.status["message"]


async def test_status_that_may_not_be_written_is_told_by_one_event() -> None:
    scene = Scene()
    scene.server.failures = {"status": Refused("finetunejobs/status is forbidden")}
    assert await scene.work(5) == [False] * 5
    told = [event["note"] for event in scene.server.events]
    assert told == ["The status cannot be written: finetunejobs/status is forbidden"]


async def test_job_that_the_server_no_longer_knows_gets_nothing_again() -> None:
    scene = Scene()
    scene.server.failures = {"status": NotFound('finetunejobs.finetune.dev "job" not found')}
    assert await scene.work() == [False]
    scene.server.objects.clear()
    assert await scene.work() == [True]
    assert scene.server.objects == {}


async def test_our_own_deletions_are_no_fight_with_another_controller() -> None:
    scene = Scene()
    await scene.work()
    run = scene.status["run"]["id"]
    published = {"run": run, "uri": f"s3://finetune/published/{run}", "digest": DIGEST}
    for _ in range(TOLD_FROM + 1):
        scene.edit(serving={"enabled": True}, status={"history": [published]})
        await scene.work()
        (server,) = scene.of_kind("Deployment")
        assert "again and again" not in scene.status["message"]
        scene.edit(serving={"enabled": False})
        await scene.work()
        assert ("Deployment", name_of(server)) not in scene.server.objects
        scene.cache.remove(server)


async def test_event_that_is_refused_stops_nothing() -> None:
    scene = Scene()
    scene.server.failures = {"create/Event": Refused("events is forbidden")}
    assert await scene.work() == [True]
    assert scene.status["reason"] == "CreatingPod"


async def test_mistake_of_the_operator_is_on_the_resource_when_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    await scene.work()
    right = reconciler_module.decide

    def wrong(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(reconciler_module, "decide", wrong)
    assert await scene.work(LASTING_FAILURES) == [False] * LASTING_FAILURES
    assert scene.status["reason"] == "OperatorError"
    assert "ZeroDivisionError: by nothing" in scene.status["message"]
    monkeypatch.setattr(reconciler_module, "decide", right)
    await scene.work()
    assert scene.status["reason"] == "CreatingPod"


async def test_what_occurred_is_counted_once_and_only_when_the_status_that_tells_it_is_written() -> None:
    scene = Scene()
    await scene.work()
    (training_job,) = (child for child in scene.cache.children("uid-1") if child["kind"] == "Job")
    condition = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": "exit code 65"}
    version = str(int(training_job["metadata"]["resourceVersion"]) + 50)
    head = {**training_job["metadata"], "resourceVersion": version}
    scene.cache.put({**training_job, "metadata": head, "status": {"conditions": [condition]}})
    scene.server.failures = {"status": Conflict("it has changed meanwhile")}
    assert await scene.work() == [False]
    assert scene.tally.told == []
    assert scene.spans.sent == []
    scene.server.failures = {}
    await scene.work(times=3)
    assert [occurrence.measure for occurrence in scene.tally.told] == [Measure.RUN_FAILED]
    run = scene.status["run"]
    assert [span.ref for span in scene.spans.sent] == [launch_span("uid-1", run["id"], run["launch"])]
    scene.tally.told.clear()
    scene.spans.sent.clear()
    # Another replica takes over: it knows no more than what is recorded.
    await scene.another().reconcile(KEY)
    assert (scene.tally.told, scene.spans.sent) == ([], [])


async def test_reconciliations_that_fail_are_traced_and_others_by_a_share_of_them() -> None:
    scene = Scene()
    await scene.work(times=3)
    assert scene.spans.sent == []
    scene.server.failures = {"patch": Unavailable("no answer")}
    scene.edit(maxRetries=9)
    assert await scene.work() == [False]
    (span,) = scene.spans.sent
    assert (span.name, span.error, span.parent) == ("Reconcile", "no answer", None)
    assert (span.attributes["error.type"], span.attributes["finetune.reconcile.result"]) == ("Unavailable", "error")
    run = scene.status["run"]
    assert span.link == launch_span("uid-1", run["id"], run["launch"])
    every = ReconcileSpans(scene.spans, 1.0, enabled=True)
    every.tell(KEY, None, result="ok", start=NOW, end=NOW, error=None)
    assert len(scene.spans.sent) == 2
    ReconcileSpans(scene.spans, 1.0, enabled=False).tell(KEY, None, result="error", start=NOW, end=NOW, error=None)
    assert len(scene.spans.sent) == 2


async def test_every_line_of_the_log_names_the_job_and_its_run() -> None:
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("finetune_operator")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        scene = Scene()
        scene.server.failures = {"create/Event": Unavailable("no answer")}
        await scene.work()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert {line["message"] for line in told} == {"apply", "status", "event not recorded"}
    run = scene.status["run"]["id"]
    assert [tuple(line[name] for name in ("namespace", "name", "run", "attempt", "trace_id")) for line in told] == [
        (KEY.namespace, KEY.name, run, 0, trace_id("uid-1", run))
    ] * len(told)
