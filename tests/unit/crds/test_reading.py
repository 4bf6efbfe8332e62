"""Reading what another release has written: what is not understood goes alone."""

from typing import Any

import pytest

from finetune_api.handoff import TerminationReport
from finetune_api.reading import readable
from finetune_api.status import FineTuneJobStatus

TOLD = {
    "type": "Succeeded",
    "status": "False",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
    "reason": "BadData",
    "message": "line 3",
}
STATUS: dict[str, Any] = {
    "phase": "Failed",
    "conditions": [TOLD, {**TOLD, "type": "Stalled", "status": "True"}],
    "run": {"id": "0123abcd", "launch": "89ef", "attempt": 1},
    "metrics": {"evaluation": {"accuracy": 0.9}},
    "warnings": ["slow"],
}


def understood(status: dict[str, Any]) -> dict[str, Any]:
    found = readable(FineTuneJobStatus, status)
    assert found is not None
    return found.to_wire()


@pytest.mark.parametrize(
    ("newer", "read"),
    [
        ({"unheardOf": {"a": 1}}, {}),
        ({"phase": "Hibernating"}, {"phase": None}),
        ({"run": {**STATUS["run"], "node": "a"}}, {}),
        ({"run": {**STATUS["run"], "attempt": "many"}}, {"run": {**STATUS["run"], "attempt": 0}}),
        ({"conditions": [{**TOLD, "severity": "High"}, STATUS["conditions"][1]]}, {}),
        ({"conditions": [TOLD, {"kind": "Odd"}, "odd", STATUS["conditions"][1]]}, {}),
        (
            {"conditions": [{**TOLD, "status": "Maybe"}, STATUS["conditions"][1]]},
            {"conditions": STATUS["conditions"][1:]},
        ),
        ({"conditions": [{**TOLD, "reason": "R" * 2000}]}, {"conditions": [{**TOLD, "reason": "R" * 1024}]}),
        ({"metrics": {"evaluation": {"accuracy": 0.9, "report": {}, "x" * 200: 1.0}}}, {}),
        ({"warnings": ["slow", {"text": "odd"}]}, {}),
        ({"warnings": ["w"] * 20}, {"warnings": ["w"] * 8}),
        ({"artifact": {"run": "0123abcd", "digest": "sha256:0"}}, {}),
        ({"serving": "everywhere"}, {}),
    ],
    ids=str,
)
def test_what_is_not_understood_goes_alone(newer: dict[str, Any], read: dict[str, Any]):
    wanted = {key: value for key, value in {**understood(STATUS), **read}.items() if value is not None}
    assert understood({**STATUS, **newer}) == wanted


def test_a_last_word_of_a_newer_trainer_keeps_its_failure_and_its_artifact():
    report = readable(
        TerminationReport,
        {
            "version": 2,
            "runId": "0123abcd",
            "stage": "Distill",
            "failure": {"failureClass": "CosmicRay", "message": "A bit has flipped.", "advice": {}},
            "progress": {"runId": "0123abcd", "stage": "Distill", "step": 3, "totalSteps": "all"},
            "metrics": {"evaluation": {"accuracy": None, "f1": 0.5}},
            "artifact": {"uri": "s3://b/m", "digest": "sha256:0", "sizeBytes": 3, "baseRevision": 7},
        },
    )
    assert report is not None
    assert report.failure is not None
    assert (report.stage, report.failure.failure_class) == ("Distill", "CosmicRay")
    assert report.progress is not None
    assert (report.progress.step, report.progress.total_steps) == (3, None)
    assert report.metrics.evaluation == {"f1": 0.5}
    assert report.artifact is not None
    assert report.artifact.uri == "s3://b/m"


@pytest.mark.parametrize("data", [None, "words", [], {}, {"runId": 7}], ids=str)
def test_a_document_without_what_it_cannot_be_without_is_none(data: Any):
    assert readable(TerminationReport, data) is None
