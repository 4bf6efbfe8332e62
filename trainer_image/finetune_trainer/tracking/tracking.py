"""Hands what a run does to its tracker, in a thread of its own: the training neither waits for it nor fails with it."""

import queue
import threading
from collections.abc import Callable
from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from finetune_api.spec.tracking import TrackedRun, TrackingSpec
from finetune_trainer.log import say
from finetune_trainer.runtime.progress import ProgressBoard
from finetune_trainer.runtime.workspace import write_atomically
from finetune_trainer.tracking.desk import Desk, Ending, RunIdentity

HELD_EVENTS = 10_000
TRIES = 3
ERROR_CHARACTERS = 160
RETRY_SECONDS = 10.0
PATIENCE_SECONDS = {Ending.FINISHED: 30.0, Ending.FAILED: 30.0, Ending.KILLED: 5.0}
"""How long the end of an attempt waits for the tracker; a pod that is stopped has at least 10 seconds in all."""

Event = Callable[[Desk], None]


class Tracking:
    """A run that no tracker follows."""

    def callbacks(self) -> list[Any]:
        """Return what transformers' loop is to call."""
        return []

    def judged(self, figures: dict[str, float], baseline: dict[str, float], step: int) -> None:
        """Tell figures on the held-out rows."""

    def note(self, values: dict[str, str]) -> None:
        """Tell facts of the whole run."""

    def end(self, ending: Ending) -> bool:
        """Tell that the attempt ends, and wait a moment; return whether all has been told."""
        del ending
        return True


class Tracked(Tracking):
    """A run that a tracker follows. What it cannot take is left out, with a warning in log and status."""

    def __init__(
        self,
        spec: TrackingSpec,
        run: RunIdentity,
        make_desk: Callable[[], Desk],
        *,
        board: ProgressBoard,
        told_file: Path,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._name = f"{spec.type}" + (f" at {spec.endpoint}" if spec.endpoint else "")
        self._type = spec.type
        self._run = run
        self._make_desk = make_desk
        self._desk: Desk | None = None
        self._board = board
        self._told_file = told_file
        self._told = _read_step(told_file)
        self._secrets = secrets
        self._events: queue.Queue[Event | None] = queue.Queue(HELD_EVENTS)
        self._ending = threading.Event()
        self._callback: Any = None
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)

    def start(self) -> None:
        """Begin to hand things over."""
        self._thread.start()

    def callbacks(self) -> list[Any]:
        """See Tracking."""
        from finetune_trainer.tracking.loop import Loop

        return [Loop(self.began, self.trained)]

    def judged(self, figures: dict[str, float], baseline: dict[str, float], step: int) -> None:
        """See Tracking."""
        told = {f"eval_{name}": value for name, value in figures.items()}
        told |= {f"eval_base_{name}": value for name, value in baseline.items()}
        self._send(lambda _: self._log(told, step))

    def note(self, values: dict[str, str]) -> None:
        """See Tracking."""
        self._send(lambda desk: desk.note(values))

    def began(self, args: Any, state: Any, control: Any, model: Any) -> None:
        """Hand over the training's parameters, and what the tracker has missed of the attempts before."""
        args, state = self._run.arguments(args), copy(state)
        self._send(lambda _: self._callback.on_train_begin(args, state, control, model=model))
        for entry in state.log_history:
            figures = {name: value for name, value in entry.items() if name != "step"}
            self.trained(figures, int(entry["step"]))

    def trained(self, figures: dict[str, float], step: int) -> None:
        """Hand over what the training reports at a step, once, however often the step is done again."""

        def tell(desk: Desk) -> None:
            if "loss" in figures and step <= self._told:
                return
            self._log(figures, step)
            self._told = max(self._told, step)
            if desk.is_direct:
                self._keep_step()

        self._send(tell)

    def _log(self, figures: dict[str, float], step: int) -> None:
        args = self._run.arguments(None)
        state = SimpleNamespace(
            global_step=step, is_world_process_zero=True, is_hyper_param_search=False, trial_name=None
        )
        self._callback.on_log(args, state, None, logs=figures)

    def _keep_step(self) -> None:
        """Let later attempts know of which step the tracker has figures."""
        write_atomically(self._told_file, str(self._told))

    def _send(self, event: Event | None) -> None:
        """Let the tracker's thread do this when it comes to it; None is the end."""
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._warn("has not taken anything for long; newer figures are left out")

    def end(self, ending: Ending) -> bool:
        """See Tracking."""

        def close(desk: Desk) -> None:
            desk.close(ending)
            self._keep_step()

        self._send(close)
        self._send(None)
        self._ending.set()
        seconds = PATIENCE_SECONDS[ending]
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._warn(f"did not take the run's last figures within {seconds:.0f} s; they are left out")
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (desk := self._open()) is None:
            if self._ending.wait(RETRY_SECONDS):
                return
        while (event := self._events.get()) is not None:
            for _ in range(TRIES):
                if self._succeeds(event, desk) or self._ending.wait(RETRY_SECONDS):
                    break

    def _open(self) -> Desk | None:
        try:
            desk = self._desk = self._desk or self._make_desk()
            url = desk.open()
            self._callback = desk.callback()
        except Exception as error:  # whatever a client raises is no affair of the training's
            self._refused(error)
            return None
        say("tracking", url or self._name)
        if url:
            self._board.update(tracking=TrackedRun(type=self._type, url=url))
        return desk

    def _succeeds(self, event: Event, desk: Desk) -> bool:
        try:
            event(desk)
        except Exception as error:  # as above
            self._refused(error)
            return False
        return True

    def _refused(self, error: Exception) -> None:
        self._warn(f"does not follow the run: {self._harmless(error)}; the run goes on without")

    def _harmless(self, error: Exception) -> str:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return words if len(words) <= ERROR_CHARACTERS else words[:ERROR_CHARACTERS] + "…"

    def _warn(self, words: str) -> None:
        self._board.warn(f"spec.tracking: {self._name} {words}")


def _read_step(file: Path) -> int:
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return 0
