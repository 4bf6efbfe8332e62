"""Event files: TensorBoard's own format, the same bytes for the same training, and no hang where the volume is full."""

from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState

from finetune_trainer.stages.callbacks import DrawCurves
from finetune_trainer.tracking.curves import FILE, FILE_VERSION, EventFile, publish_curves
from tests.event_files import curves, events

HISTORY = ({"step": 5, "loss": 0.5, "learning_rate": 0.001, "grad_norm": 2.0}, {"step": 10, "loss": 0.25})


def test_published_curves_are_those_of_the_training_and_how_it_was_judged(tmp_path: Path):
    publish_curves(tmp_path, HISTORY, 12, {"accuracy": 0.75})
    file = tmp_path / "runs" / f"{FILE}.0"
    assert events(file)[0].file_version == FILE_VERSION
    assert curves(file) == {
        "train/loss": [(5, 0.5), (10, 0.25)],
        "train/learning_rate": [(5, pytest.approx(0.001))],
        "train/grad_norm": [(5, 2.0)],
        "eval/accuracy": [(12, 0.75)],
    }


def test_same_training_has_the_same_bytes(tmp_path: Path):
    files = []
    for name in ("one", "other"):
        publish_curves(tmp_path / name, HISTORY, 12, {"accuracy": 0.75, "f1": 0.5})
        (file,) = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        files.append((file.relative_to(tmp_path / name), file.read_bytes()))
    assert files[0] == files[1]


def test_attempts_follow_each_other(tmp_path: Path):
    for start in (0, 6):
        draw, state = DrawCurves(tmp_path), TrainerState(global_step=start)
        draw.on_train_begin(None, state, TrainerControl())
        state.global_step += 5
        draw.on_log(None, state, TrainerControl(), {"loss": 0.5, "epoch": 1.0})
        draw.held_out(state.global_step, {"accuracy": 0.75})
        draw.on_log(None, state, TrainerControl(), {"train_loss": 0.5, "train_runtime": 2.0})
        draw.on_train_end()
    first, second = sorted(tmp_path.iterdir())
    assert curves(first) == {"train/loss": [(5, 0.5)], "train/epoch": [(5, 1.0)], "eval/accuracy": [(5, 0.75)]}
    assert curves(second)["train/loss"] == [(11, 0.5)]
    # What the first attempt may have told of later steps than the checkpoint is void.
    assert [event.step for event in events(second) if event.HasField("session_log")] == [7]


def test_full_volume_is_an_error_and_no_hang():
    with pytest.raises(OSError, match="No space left"), EventFile(Path("/dev/full"), wall_time=0.0) as file:
        for step in range(10_000):
            file.add(step, {"train/loss": 0.5}, wall_time=0.0)
