"""The classes of failure, each with an exit code that the Job's podFailurePolicy and the status understand.

Codes follow sysexits.h where it has one. 137 and 143 are what a shell gives for SIGKILL and SIGTERM.
"""

from enum import IntEnum, StrEnum


class FailureClass(StrEnum):
    """Why a trainer ended without a result; the reason of the condition that reports it."""

    BAD_SPEC = "BadSpec"
    BAD_DATA = "BadData"
    MISSING_INPUT = "MissingInput"
    NO_ACCESS = "NoAccess"
    UNAVAILABLE = "Unavailable"
    NO_ACCELERATOR = "NoAccelerator"
    OUT_OF_MEMORY = "OutOfMemory"
    NON_FINITE_LOSS = "NonFiniteLoss"
    MERGE_MISMATCH = "MergeMismatch"
    PREEMPTED = "Preempted"
    BUG = "Bug"


class ExitCode(IntEnum):
    """Exit code of the trainer for each failure class."""

    OK = 0
    BAD_SPEC = 64
    BAD_DATA = 65
    MISSING_INPUT = 66
    UNAVAILABLE = 69
    BUG = 70
    OUT_OF_MEMORY = 71
    NON_FINITE_LOSS = 72
    MERGE_MISMATCH = 73
    NO_ACCESS = 77
    NO_ACCELERATOR = 78
    PREEMPTED = 143


EXIT_CODE_OF = {failure: ExitCode[failure.name] for failure in FailureClass}
TERMINAL = (
    FailureClass.BAD_SPEC,
    FailureClass.BAD_DATA,
    FailureClass.MISSING_INPUT,
    FailureClass.NO_ACCESS,
    FailureClass.NON_FINITE_LOSS,
    FailureClass.MERGE_MISMATCH,
)
"""Classes that a retry cannot mend: the run fails at once."""

NOT_COUNTED = (FailureClass.PREEMPTED,)
"""Classes that do not count against maxRetries."""
