"""What is handed to a tracker, in a thread of its own: order, gaps, secrets, and a tracker that stalls or refuses."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finetune_api.spec.tracking import TrackingSpec
from finetune_trainer.runtime.progress import ProgressBoard
from finetune_trainer.tracking import tracking
from finetune_trainer.tracking.desk import Ending, RunIdentity
from finetune_trainer.tracking.tracking import Tracked

SPEC = TrackingSpec.model_validate({"type": "MLflow", "endpoint": "http://mlflow:5000"})
RUN = RunIdentity(id="uid-run", name="job-run", project="default-job", tags={}, note="")


class Desk:
    """A tracker that notes what it is told."""

    is_direct = True

    def __init__(self, opens: Any = lambda: "http://mlflow:5000/run") -> None:
        self.open = opens
        self.told: list[tuple[int, dict[str, float]]] = []
        self.began = 0
        self.notes: dict[str, str] = {}
        self.ending: Ending | None = None

    def callback(self) -> Any:
        return self

    def on_train_begin(self, _args: Any, _state: Any, _control: Any, model: Any) -> None:
        del model
        self.began += 1

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float]) -> None:
        self.told.append((state.global_step, logs))

    def note(self, values: dict[str, str]) -> None:
        self.notes |= values

    def close(self, ending: Ending) -> None:
        self.ending = ending


@pytest.fixture
def board() -> ProgressBoard:
    return ProgressBoard("run")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "RETRY_SECONDS", 0.01)


def follow(desk: Desk, board: ProgressBoard, folder: Path, *secrets: str) -> Tracked:
    followed = Tracked(SPEC, RUN, lambda: desk, board=board, told_file=folder / "tracked-step", secrets=secrets)
    followed.start()
    return followed


def begin(followed: Tracked, *losses: float) -> None:
    history = [{"step": step, "loss": loss} for step, loss in enumerate(losses, 1)]
    followed.began(SimpleNamespace(), SimpleNamespace(log_history=history), None, None)


def test_all_is_told_in_order_with_the_page_on_the_board(board: ProgressBoard, tmp_path: Path):
    desk = Desk()
    followed = follow(desk, board, tmp_path)
    begin(followed)
    followed.trained({"loss": 2.0}, 1)
    followed.judged({"accuracy": 0.9}, {"accuracy": 0.5}, 1)
    followed.note({"finetune.dev/artifact": "s3://bucket/model"})
    assert followed.end(Ending.FINISHED)
    assert desk.told == [(1, {"loss": 2.0}), (1, {"eval_accuracy": 0.9, "eval_base_accuracy": 0.5})]
    assert (desk.began, desk.ending) == (1, Ending.FINISHED)
    assert desk.notes == {"finetune.dev/artifact": "s3://bucket/model"}
    assert board.progress.tracking
    assert board.progress.tracking.url == "http://mlflow:5000/run"
    assert board.progress.warnings == []


@pytest.mark.parametrize(
    ("direct", "closed", "missed"), [(True, False, [3]), (False, True, [3]), (False, False, [2, 3])]
)
def test_a_resumed_pod_tells_what_was_missed_and_nothing_twice(
    board: ProgressBoard, tmp_path: Path, direct: bool, closed: bool, missed: list[int]
):
    """What a client holds back is known to have arrived only when the run was closed."""
    first = Desk()
    killed = follow(first, board, tmp_path)
    killed.trained({"loss": 3.0}, 1)
    assert killed.end(Ending.KILLED)
    first.is_direct = direct
    killed = follow(first, board, tmp_path)
    killed.trained({"loss": 2.0}, 2)
    if closed:
        assert killed.end(Ending.KILLED)
    else:
        settled = threading.Event()
        killed._send(lambda _: settled.set())
        assert settled.wait(10)
    second = Desk()
    resumed = follow(second, board, tmp_path)
    begin(resumed, 3.0, 2.0, 1.0)
    resumed.trained({"loss": 1.0}, 3)
    assert resumed.end(Ending.FINISHED)
    assert [step for step, _ in second.told] == missed


def test_a_tracker_that_is_there_later_is_told_all(board: ProgressBoard, tmp_path: Path):
    refusals = iter([ConnectionError("refused"), ConnectionError("refused")])

    def opens() -> str:
        for error in refusals:
            raise error
        return "http://mlflow:5000/run"

    desk = Desk(opens)
    followed = follow(desk, board, tmp_path)
    followed.trained({"loss": 2.0}, 1)
    opened = threading.Event()
    followed._send(lambda _: opened.set())
    assert opened.wait(10)
    assert followed.end(Ending.FINISHED)
    assert desk.told == [(1, {"loss": 2.0})]
    (warning,) = board.progress.warnings
    assert warning == (
        "spec.tracking: MLflow at http://mlflow:5000 does not follow the run: ConnectionError: refused; the run goes on"
        " without"
    )


def test_a_tracker_that_stalls_holds_nothing_up(board: ProgressBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracking, "PATIENCE_SECONDS", dict.fromkeys(Ending, 0.05))
    monkeypatch.setattr(tracking, "HELD_EVENTS", 10)
    for_ever = threading.Event()
    followed = follow(Desk(lambda: str(for_ever.wait())), board, tmp_path)
    for step in range(100):
        followed.trained({"loss": 1.0}, step)
    assert not followed.end(Ending.FINISHED)
    assert [words.partition("http://mlflow:5000 ")[2] for words in board.progress.warnings] == [
        "has not taken anything for long; newer figures are left out",
        "did not take the run's last figures within 0 s; they are left out",
    ]
    for_ever.set()


def test_a_secret_that_an_error_repeats_is_not_told(board: ProgressBoard, tmp_path: Path):
    def opens() -> str:
        raise RuntimeError("the token s3cr3t-token is not known")

    followed = follow(Desk(opens), board, tmp_path, "s3cr3t-token")
    assert followed.end(Ending.FAILED)
    (warning,) = board.progress.warnings
    assert "RuntimeError: the token … is not known" in warning
