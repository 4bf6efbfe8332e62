"""The headline of a status: what is going on, why, and what to do."""

from dataclasses import dataclass
from enum import Enum, auto

from finetune_api.keys import Phase


class Course(Enum):
    """Which way things go, in kstatus' terms."""

    RECONCILING = auto()
    STALLED = auto()
    SETTLED = auto()


@dataclass(frozen=True)
class Problem:
    """What keeps a pod from running, or made a run fail: the reason as one word, and what to do in words."""

    reason: str
    message: str


@dataclass(frozen=True)
class Story:
    """The headline. `hindered`: it goes on, but something is in the way that a person may have to mend.

    asides: what is wrong beside it, such as that the model of the run before is not served meanwhile.
    """

    course: Course
    phase: Phase
    reason: str
    message: str
    hindered: bool = False
    asides: tuple[Problem, ...] = ()

    @property
    def whole(self) -> str:
        """The message with all that is told beside it."""
        return " ".join((self.message, *(aside.message for aside in self.asides)))


def closed(words: str) -> str:
    """Return what somebody else said such that another sentence can follow."""
    said = words.rstrip()
    return said if said.endswith((".", "!", "?")) else f"{said}."


def stalled(problem: Problem) -> Story:
    """Return the story of something that only a person can mend."""
    return Story(Course.STALLED, Phase.FAILED, problem.reason, problem.message)


def hindered(phase: Phase, problem: Problem) -> Story:
    """Return the story of something that goes on by itself as soon as its cause is mended."""
    return Story(Course.RECONCILING, phase, problem.reason, problem.message, hindered=True)


def going_on(phase: Phase, reason: str, message: str) -> Story:
    """Return the story of work in progress."""
    return Story(Course.RECONCILING, phase, reason, message)


def settled(phase: Phase, reason: str, message: str) -> Story:
    """Return the story of a state that lasts until the spec changes."""
    return Story(Course.SETTLED, phase, reason, message)
