"""Two pods of one run never work in its folder at the same time."""

import multiprocessing
import os
import signal
from pathlib import Path

from finetune_trainer.runtime.turns import take_turn

FORKS = multiprocessing.get_context("fork")


def _hold(folder: Path, ready: "multiprocessing.synchronize.Event", stop: "multiprocessing.synchronize.Event") -> None:
    _turn = take_turn(folder, lambda _: None)
    ready.set()
    stop.wait(20)


def test_the_next_pod_waits_until_the_last_one_has_ended_and_says_for_whom(tmp_path: Path):
    ready, stop = FORKS.Event(), FORKS.Event()
    holder = FORKS.Process(target=_hold, args=(tmp_path, ready, stop))
    holder.start()
    assert ready.wait(20)
    told: list[str | None] = []

    def waiting(words: str | None) -> None:
        told.append(words)
        stop.set()

    turn = take_turn(tmp_path, waiting)
    holder.join(20)
    assert len(told) == 2
    assert told[0]
    assert told[0].startswith(f"pod {os.uname().nodename} still works in this run's folder")
    assert told[1] is None
    turn.release()


def test_a_pod_that_was_killed_holds_nobody_up(tmp_path: Path):
    ready, stop = FORKS.Event(), FORKS.Event()
    holder = FORKS.Process(target=_hold, args=(tmp_path, ready, stop))
    holder.start()
    assert ready.wait(20)
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join(20)
    told: list[str | None] = []
    take_turn(tmp_path, told.append).release()
    assert told == []
