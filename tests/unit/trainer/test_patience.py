"""A store that does not answer is waited for, with growing pauses, and the wait is told."""

import re

import pytest

from finetune_trainer.errors import NoAccess, Unavailable
from finetune_trainer.runtime.patience import LONGEST_PAUSE_SECONDS, Patience


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


def _patience(clock: Clock, told: list[str | None], seconds: float = 7200) -> Patience:
    return Patience(seconds, told.append, clock.read, clock.sleep)


def test_an_outage_of_an_hour_costs_nothing_but_time():
    clock, told = Clock(), []

    def work() -> str:
        if clock.now < 3600:
            raise Unavailable("s3://b/x: the store answers 503", "spec.output.destination")
        return "done"

    assert _patience(clock, told).until_available(work) == "done"
    assert clock.pauses[0] <= 6
    assert all(later > earlier for earlier, later in zip(clock.pauses[:5], clock.pauses[1:6], strict=True))
    assert max(clock.pauses) <= 1.2 * LONGEST_PAUSE_SECONDS
    assert len(clock.pauses) < 30
    words = r"s3://b/x: the store answers 503 \(spec\.output\.destination\)"
    assert re.fullmatch(rf"{words}; waiting for 0s, next try in [4-6]s, for up to 2h00m more", told[0])
    assert told[-1] is None


def test_an_outage_without_end_is_told_with_how_long_was_tried():
    clock, told = Clock(), []

    def work() -> str:
        raise Unavailable("s3://b/x: the store answers 503", "spec.output.destination")

    with pytest.raises(Unavailable, match=r"answers 503; tried \d+ times in 1h00m") as found:
        _patience(clock, told, 3600).until_available(work)
    assert found.value.field == "spec.output.destination"


def test_what_waiting_does_not_mend_is_not_waited_for():
    clock, told = Clock(), []

    def work() -> str:
        raise NoAccess("s3://b/x: denied")

    with pytest.raises(NoAccess):
        _patience(clock, told).until_available(work)
    assert clock.pauses == told == []
