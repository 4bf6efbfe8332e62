"""Which `job://` sources the API server takes, and what it says about the others."""

from typing import Any

import pytest

from tests.builders import finetune_job
from tests.integration.crds.jobs import Jobs

pytestmark = pytest.mark.cluster

NAMES = (
    "spec.model.source: Invalid value: must name a FineTuneJob of this namespace after job://, and nothing else"
    " (lower-case letters, digits, '-' and '.')"
)


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ({"source": "job://Reward"}, f"{NAMES}; found job://Reward"),
        ({"source": "job://reward/model"}, f"{NAMES}; found job://reward/model"),
        (
            {"source": "job://reward", "revision": "main"},
            "spec.model.revision: Invalid value: applies to hf:// sources only; for s3:// and pvc:// put the version"
            " into the path; a job:// source is always what that job published last",
        ),
        (
            {"source": "job://job"},
            "spec.model.source: Invalid value: is this FineTuneJob itself; name another one, whose model this one"
            " starts from",
        ),
    ],
    ids=["no-name", "path", "revision", "itself"],
)
def test_refused(jobs: Jobs, model: dict[str, Any], complaint: str):
    assert jobs.refusal(finetune_job("job", "crd-tests", model=model)) == [complaint]


def test_taken_with_and_without_credentials(jobs: Jobs):
    for secret in ({"name": "s3"}, None):
        model = {"source": "job://team.reward-7b", "secretRef": secret}
        assert jobs.dry_run(finetune_job("job", "crd-tests", model=model))
