"""What is counted when a status that tells of it has been written: each once, whoever leads and whoever restarts."""

from dataclasses import dataclass
from enum import Enum, auto


class Measure(Enum):
    """What an occurrence counts towards, and what its label says."""

    RUN_SUCCEEDED = auto()
    RUN_FAILED = auto()
    """Label: why, the reason of the condition Succeeded."""
    RETRY = auto()
    QUEUE_WAIT_SECONDS = auto()
    STAGE_SECONDS = auto()
    """Label: the stage that is over."""
    GPU_SECONDS = auto()


@dataclass(frozen=True)
class Occurrence:
    """An amount of something; 1 of what is counted by pieces."""

    measure: Measure
    amount: float = 1.0
    label: str = ""
