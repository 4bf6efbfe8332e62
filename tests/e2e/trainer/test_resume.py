"""A training that was interrupted ends with the losses and the weights of one that was not, bit for bit."""

import hashlib
import json
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from finetune_api.failures import ExitCode, FailureClass
from finetune_api.handoff import Stage
from finetune_trainer import pipeline
from finetune_trainer.errors import Unavailable
from tests.builders import merge
from tests.e2e.trainer.tiny_data import chats, judged, pairs, reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

LORA = {"method": "LoRA", "lora": {"rank": 4, "alpha": 8, "dropout": 0.1}}
CASES = {
    "classification, Full": ("SequenceClassification", {"method": "Full"}),
    "classification, LoRA": ("SequenceClassification", LORA),
    "SFT, Full": ("SFT", {"method": "Full"}),
    "SFT, LoRA, packed": ("SFT", LORA),
    "DPO, LoRA": ("DPO", LORA),
    "KTO, Full": ("KTO", {"method": "Full"}),
    "Reward, Full": ("Reward", {"method": "Full"}),
}
QUICK = ("classification, LoRA", "SFT, Full")
ROWS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "SequenceClassification": reviews,
    "SFT": chats,
    "DPO": pairs,
    "KTO": judged,
    "Reward": pairs,
}
STEPS = 60


@dataclass
class Result:
    """What a finished run left: losses by step, and the digest of the weights."""

    losses: dict[int, float] = field(default_factory=dict)
    weights: str = ""

    @classmethod
    def of(cls, folder: Path) -> "Result":
        history = json.loads((folder / "evaluation.json").read_text())["training"]["lossHistory"]
        weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        return cls(dict(history), weights)


def _job(site: Site, case: str) -> dict[str, Any]:
    """Many small steps over shuffled rows in batches with an odd one at the end, with dropout and evaluations.

    Where a step has several passes, an interruption right after a step's report comes within the next one.
    """
    task, tuning = CASES[case]
    model, rows = "encoder-with-dropout" if task == "SequenceClassification" else "decoder", ROWS[task]()
    return site.job(
        task=task,
        tuning=tuning,
        model={"source": f"pvc://models/{model}"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("evaluation.jsonl", rows[:2])},
        },
        training={
            "epochs": None,
            "maxSteps": STEPS,
            "batchSize": 5,
            "gradientAccumulationSteps": 2 if "LoRA" in case else 1,
            "packing": "packed" in case,
            "warmupRatio": 0.1,
            "lrSchedulerType": "cosine",
            "weightDecay": 0.01,
            "checkpointIntervalSteps": 10,
            "evaluationIntervalSteps": 25,
            "loggingIntervalSteps": 1,
        },
        evaluation={"baseline": False, "maxNewTokens": 2},
    )


def _result(site: Site) -> Result:
    result = Result.of(site.published())
    shutil.rmtree(site.published())
    shutil.rmtree(site.workspace)
    return result


@pytest.fixture(scope="module")
def undisturbed(volumes: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Result]:
    """The result of a case that nothing interrupts."""

    @cache
    def result(case: str) -> Result:
        site = Site(volumes, tmp_path_factory.mktemp("undisturbed"))
        site.run(_job(site, case)).succeeded()
        result = _result(site)
        assert sorted(result.losses) == list(range(1, STEPS + 1))
        return result

    return result


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
def test_interruptions_change_nothing(site: Site, case: str, undisturbed: Callable[[str], Result]):
    job = _job(site, case)

    stopped = site.interrupt(job, r"train +1\d/", signal.SIGTERM)
    assert stopped.wait() == ExitCode.PREEMPTED
    step = stopped.report.progress and stopped.report.progress.step
    told = re.search(r"train +(1\d)/", stopped.output)
    assert told
    assert step == int(told[1]) + (job["training"]["gradientAccumulationSteps"] == 1), "stops at once within a step"
    assert stopped.report.failure
    assert stopped.report.failure.failure_class is FailureClass.PREEMPTED
    assert f"saved a checkpoint at step {step} of {STEPS}" in stopped.report.failure.message
    assert stopped.report.stage is Stage.TRAIN

    killed = site.interrupt(job, "checkpoint at step 40", signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert f"resuming from the checkpoint at step {step}" in killed.output

    resumed = site.run(job).succeeded()
    assert resumed.report.progress
    assert (resumed.report.progress.resumed_from_step or 0) >= 40
    assert _result(site) == undisturbed(case)


def test_settings_that_the_run_id_does_not_count_change_no_weights(site: Site, undisturbed: Callable[[str], Result]):
    """An edit of these on a stored job trains nothing again, so the weights must not depend on them."""
    case = "classification, LoRA"
    settings = {
        "training": {
            "loggingIntervalSteps": 7,
            "checkpointIntervalSteps": 13,
            "evaluationIntervalSteps": None,
            "gradientCheckpointing": True,
        },
        "dataset": {"truncationWarningShare": 1},
        "evaluation": {"baseline": True, "batchSize": 3},
    }
    site.run(merge(_job(site, case), settings)).succeeded()
    assert _result(site).weights == undisturbed(case).weights


def test_a_torn_checkpoint_is_not_resumed_from(site: Site, undisturbed: Callable[[str], Result]):
    job = _job(site, "SFT, Full")
    assert site.interrupt(job, "checkpoint at step 30", signal.SIGTERM).wait() == ExitCode.PREEMPTED
    newest = max(
        (site.run_folder() / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1])
    )
    (newest / "COMPLETE").unlink()
    (newest / "optimizer.pt").write_bytes(b"torn")
    resumed = site.run(job).succeeded()
    assert f"at step {newest.name.split('-')[1]}\n" not in resumed.output.split("checkpoint at step")[0]
    assert _result(site) == undisturbed("SFT, Full")


def _no_push() -> None:
    """Let the attempt end when there is something to publish."""

    def push(*_: object) -> None:
        raise Unavailable("the store answers 503")

    pipeline.push = push  # type: ignore[assignment]


def test_a_crash_after_the_last_step_trains_no_further(site: Site, undisturbed: Callable[[str], Result]):
    job = _job(site, "classification, Full")
    assert site.run(job, _no_push).wait() == ExitCode.UNAVAILABLE
    shutil.rmtree(site.run_folder() / "model")
    for stage in ("Train", "Evaluate", "Export"):
        (site.run_folder() / f"stages/{stage}.json").unlink()
    resumed = site.run(job).succeeded()
    assert f"resuming from the checkpoint at step {STEPS}" in resumed.output
    assert _result(site) == undisturbed("classification, Full")


def test_sigterm_outside_of_the_training_ends_at_once(site: Site):
    job = _job(site, "SFT, Full")
    stopped = site.interrupt(job, "data +done", signal.SIGTERM)
    assert stopped.wait() == ExitCode.PREEMPTED
    assert stopped.report.failure
    assert stopped.report.failure.failure_class is FailureClass.PREEMPTED
    assert "Traceback" not in stopped.output
    assert "done by an earlier attempt" in site.run(job).succeeded().output
