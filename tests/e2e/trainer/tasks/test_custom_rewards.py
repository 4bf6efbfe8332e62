"""A reward function of the user's own teaches what the same function of the trainer teaches."""

import json
from typing import Any

import pytest

from finetune_api.failures import ExitCode
from tests.e2e.trainer.tasks.rollouts import PROMPTS, TARGET_CHARACTERS
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

SHIPPED = {"name": "length", "type": "Length", "length": {"targetCharacters": TARGET_CHARACTERS}}
OWN = {
    "name": "length",
    "type": "Python",
    "python": {"configMapKeyRef": {"name": "rewards", "key": "length.py"}, "columns": ["target"]},
}
CODE = """
def reward(prompts, completions, target):
    lengths = [len(text.strip()) for text in completions]
    return [max(0.0, 1 - abs(own - int(wanted)) / int(wanted)) for own, wanted in zip(lengths, target, strict=True)]
"""


def _job(site: Site, function: dict[str, Any], run_id: str) -> dict[str, Any]:
    rows = site.write("prompts.jsonl", [{"prompt": prompt, "target": TARGET_CHARACTERS} for prompt in PROMPTS])
    return site.job(
        runId=run_id,
        task="RLOO",
        rloo={"rewardFunctions": [function], "numGenerations": 4, "maxCompletionLength": 8},
        model={"source": "pvc://models/decoder"},
        dataset={"train": {"source": rows}, "evaluation": {"source": rows}},
        training={"epochs": None, "maxSteps": 2, "batchSize": 8, "maxLength": 32},
    )


def _outcome(site: Site, run_id: str) -> tuple[Any, Any]:
    report = json.loads((site.published(run_id) / "evaluation.json").read_text())
    return report["training"]["lossHistory"], report["evaluation"]["metrics"]


def test_learns_as_from_the_same_function_of_the_trainer(site: Site):
    site.run(_job(site, SHIPPED, "shipped")).succeeded()
    site.code.mkdir()
    (site.code / "reward-function-length").write_text(CODE)
    site.run(_job(site, OWN, "own")).succeeded()
    assert _outcome(site, "own") == _outcome(site, "shipped")


def test_code_that_fails_ends_the_run_without_a_traceback(site: Site):
    site.code.mkdir(parents=True)
    (site.code / "reward-function-length").write_text(CODE.replace("int(wanted)) /", "int(absent)) /"))
    process = site.run(_job(site, OWN, "own"))
    assert process.wait() == ExitCode.BAD_SPEC
    failure = process.report.failure
    assert failure is not None
    assert failure.field == "spec.rloo.rewardFunctions[length].python"
    assert "failed in line 4: NameError: name 'absent' is not defined" in failure.message
    assert "Traceback" not in process.output
