"""SIGTERM: training saves a checkpoint first, every other stage stops at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from finetune_trainer.errors import Preempted
from finetune_trainer.log import say

PATIENCE_SECONDS = 5


class Preemption:
    """Whether the pod was told to stop. The handler raises Preempted, or only notes it while deferred.

    `on_stuck` is called if a raised Preempted has not ended the process soon: a library that downloads in threads
    may wait for all of them first.
    """

    def __init__(self, on_stuck: Callable[[], None]) -> None:
        self.requested = False
        self._on_stuck = on_stuck
        self._deferred = False
        self._interruptible = False

    def install(self) -> None:
        """Handle SIGTERM from now on, and SIGINT (Ctrl-C) in the same way."""
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the body look at `requested` and stop by itself."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within a deferred part: leave the body by Preempted when told to stop, also if that was before."""
        self._interruptible = True
        try:
            self.check()
            yield
        finally:
            self._interruptible = False

    def ignore(self) -> None:
        """Let nothing interrupt the end of the process."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def check(self) -> None:
        """Raise Preempted if the pod was told to stop meanwhile."""
        if self.requested:
            raise Preempted("told to stop; the finished stages are kept")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        first, self.requested = not self.requested, True
        if first and self._deferred:
            say("train", f"{signal.Signals(number).name}: saving a checkpoint")
            if self._interruptible:
                raise Preempted("told to stop; the training saves a checkpoint")
        elif first:
            timer = threading.Timer(PATIENCE_SECONDS, self._on_stuck)
            timer.daemon = True
            timer.start()
            raise Preempted("told to stop; the finished stages are kept, this one starts over")
