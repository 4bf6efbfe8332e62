"""Trainings on their own completions that are stopped amid a rollout end as if nothing had been, bit for bit."""

import shutil
import signal
from typing import Any

import pytest

from finetune_api.failures import ExitCode
from tests.e2e.trainer.tasks.rollouts import PROMPTS, REWARDS
from tests.e2e.trainer.test_resume import LORA, Result
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

GROUPS = {"numGenerations": 4, "maxCompletionLength": 6, "numIterations": 2, "beta": 0.1}
PPO = {"responseLength": 6, "numPpoEpochs": 2, "numMiniBatches": 2}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "GRPO, LoRA": ("GRPO", LORA, GROUPS),
    "PPO, Full": ("PPO", {"method": "Full"}, PPO),
    "PPO, LoRA": ("PPO", LORA, PPO),
}
STEPS = 24


@pytest.mark.parametrize("case", CASES)
def test_a_stop_changes_nothing(site: Site, case: str):
    job = _job(site, case)
    stopped = site.interrupt(job, r"train +17/", signal.SIGTERM)
    assert stopped.wait() == ExitCode.PREEMPTED
    step = stopped.report.progress.step if stopped.report.progress else 0
    assert step % _steps_per_rollout(case) == 0, "saved amid a rollout"
    assert "checkpoint at step 7\n" not in stopped.output
    resumed = site.run(job).succeeded()
    assert f"resuming from the checkpoint at step {step}\n" in resumed.output
    interrupted = Result.of(site.published())
    shutil.rmtree(site.published())
    shutil.rmtree(site.workspace)
    site.run(job).succeeded()
    undisturbed = Result.of(site.published())
    assert sorted(undisturbed.losses) == list(range(1, STEPS + 1))
    assert interrupted == undisturbed


def _steps_per_rollout(case: str) -> int:
    return 4 if case.startswith("PPO") else 2


def _job(site: Site, case: str) -> dict[str, Any]:
    """Few prompts, so that the stop is in a later epoch; checkpoints that would fall amid rollouts."""
    task, tuning, options = CASES[case]
    rows = site.write("prompts.jsonl", [_chat(f"{prompt} {more}") for prompt in PROMPTS for more in ("is", "has")])
    return site.job(
        **{task.lower(): {"rewardFunctions": REWARDS, **options}},
        task=task,
        tuning=tuning,
        model={"source": "pvc://models/decoder"},
        dataset={"train": {"source": rows}, "evaluation": {"source": rows}},
        training={
            "epochs": None,
            "maxSteps": STEPS,
            "batchSize": 4,
            "maxLength": 32,
            "checkpointIntervalSteps": 7,
            "loggingIntervalSteps": 1,
        },
        evaluation={"baseline": False},
    )


def _chat(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}
