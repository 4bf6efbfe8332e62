"""What people and the operator see of a running training."""

import logging

import pytest

from finetune_api.handoff import Metrics, Progress, Stage
from finetune_trainer.runtime.progress import ProgressBoard, duration, say_progress


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0s"), (59.6, "1m00s"), (250, "4m10s"), (3599.9, "1h00m"), (7500, "2h05m")]
)
def test_lengths_of_time(seconds: float, words: str):
    assert duration(seconds) == words


def test_a_line_of_progress(caplog: pytest.LogCaptureFixture):
    progress = Progress(
        run_id="run",
        stage=Stage.TRAIN,
        step=120,
        total_steps=210,
        loss=0.31234,
        learning_rate=3.2e-5,
        samples_per_second=41.3,
        tokens_per_second=1032.7,
        eta_seconds=12,
    )
    with caplog.at_level(logging.INFO, "finetune_trainer"):
        say_progress(progress)
    line = "train     120/210  57 %  loss 0.3123  lr 3.2e-05  41.3 rows/s  1033 tokens/s  eta 12s"
    assert caplog.messages == [line]


def test_figures_are_added_to_those_that_are_there():
    board = ProgressBoard("run")
    board.add_metrics(baseline={"loss": 2.0})
    board.add_metrics(evaluation={"loss": 1.0})
    board.enter(Stage.EVALUATE)
    assert board.progress.metrics == Metrics(evaluation={"loss": 1.0}, baseline={"loss": 2.0})
    assert board.progress.stage is Stage.EVALUATE
