"""Waiting for what does not answer now: hours, with growing pauses, since a run must not be lost to an outage."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from finetune_trainer.errors import Unavailable
from finetune_trainer.runtime.progress import duration

Result = TypeVar("Result")

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0


@dataclass(frozen=True)
class Patience:
    """How long to try again, in all, and who is told meanwhile.

    waiting: told why it waits, since when and for how long, and None when that is over.
    """

    seconds: float
    waiting: Callable[[str | None], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until_available(self, work: Callable[[], Result]) -> Result:
        """Return the work's result. It must do no harm when it is done again. Raises Unavailable at the end."""
        began, pause, tries = self.clock(), FIRST_PAUSE_SECONDS, 1
        while True:
            try:
                result = work()
            except Unavailable as error:
                waited = self.clock() - began
                left = self.seconds - waited
                if left <= 0:
                    if tries == 1:
                        raise
                    words = f"{error.message}; tried {tries} times in {duration(waited)}"
                    raise Unavailable(words, error.field) from error
                # Spread out, so that many jobs do not all ask again at the same moment.
                now = min(left, pause * random.uniform(0.8, 1.2))
                since = f"waiting for {duration(waited)}, next try in {duration(now)}, for up to {duration(left)} more"
                about = f" ({error.field})" if error.field and error.field not in error.message else ""
                self.waiting(f"{error.message}{about}; {since}")
                self.sleep(now)
                pause, tries = min(2 * pause, LONGEST_PAUSE_SECONDS), tries + 1
                continue
            if tries > 1:
                self.waiting(None)
            return result
