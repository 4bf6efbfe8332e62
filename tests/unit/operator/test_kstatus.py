"""What kstatus, by which Flux and Helm wait, makes of every situation: its own library is asked."""

import json
import subprocess
from pathlib import Path

import pytest

from devcluster import gobuild
from finetune_api.keys import Phase
from tests.unit.operator.situations import SITUATIONS, Situation

PROGRAM = Path(__file__).parent / "kstatus"


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str]:
    """Return the verdict on each situation by its name, all from one process.

    It is built of what the cluster's programs are built of, at the same versions, and so mostly from Go's cache.
    """
    resources = [situation.resource() for situation in SITUATIONS]
    done = subprocess.run(
        [gobuild.go_program(), "run", "-trimpath", "."],
        cwd=PROGRAM,
        env=gobuild.go_environment(),
        input=json.dumps(resources),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    return {situation.name: answer["status"] for situation, answer in zip(SITUATIONS, answers, strict=True)}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_kstatus_verdict(verdicts: dict[str, str], situation: Situation) -> None:
    assert verdicts[situation.name] == situation.kstatus


def test_every_phase_is_among_the_situations() -> None:
    assert {situation.resource()["status"].get("phase") for situation in SITUATIONS} == {None, *Phase}
