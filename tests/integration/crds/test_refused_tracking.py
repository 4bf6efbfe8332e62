"""What a person reads when the API server refuses a tracker."""

from typing import Any

import pytest

from tests.builders import finetune_job
from tests.integration.crds.jobs import NAMESPACE, Jobs

pytestmark = pytest.mark.cluster

MLFLOW = {"type": "MLflow", "endpoint": "http://mlflow:5000"}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"type": "MLflow"}, "spec.tracking.endpoint: Required value: names the tracker's server, which only WandB has"),
    (
        {"type": "Comet"},
        'spec.tracking.type: Unsupported value: "Comet": supported values: "MLflow", "WandB", "Trackio"',
    ),
    (
        {**MLFLOW, "endpoint": "https://user:pass@mlflow"},
        "spec.tracking.endpoint: Invalid value: must be an http:// or https:// address without credentials",
    ),
    ({**MLFLOW, "endpoint": "http://trackio/?write_token=abc"}, "spec.tracking.endpoint: Invalid value: must be an"),
    ({**MLFLOW, "entity": "team"}, "spec.tracking.entity: Forbidden: is only for type WandB; remove it"),
    ({"type": "WandB", "project": "a/b"}, "spec.tracking.project: Invalid value: must not have '/', which only MLflow"),
    ({**MLFLOW, "tags": {"mlflow.runName": "a"}}, "spec.tracking.tags: Invalid value: must have names of letters"),
    ({**MLFLOW, "secretRef": {"name": "A_TOKEN"}}, "spec.tracking.secretRef.name: Invalid value: must be the name"),
]


@pytest.mark.parametrize(("tracking", "complaint"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_tracker_is_refused(jobs: Jobs, tracking: dict[str, Any], complaint: str):
    (found,) = jobs.refusal(finetune_job(namespace=NAMESPACE, tracking=tracking))
    assert found.startswith(complaint)
    assert "pass@" not in found
    assert "abc" not in found


def test_a_tracker_is_taken(jobs: Jobs):
    tracking = {**MLFLOW, "project": "/Shared/sentiment", "secretRef": {"name": "mlflow"}, "tags": {"team": "nlp"}}
    assert jobs.dry_run(finetune_job(namespace=NAMESPACE, tracking=tracking))["spec"]["tracking"] == tracking
