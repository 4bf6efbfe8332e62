"""Every way in which the trainer ends without a result.

TrainerError
├── BadSpec        the resource asks for something that cannot be done
│   ├── UnfitTemplate  … by the model's chat template
│   └── BadMetric      … or a metric of the user's own fails
├── BadData        a data file or row is not what the task needs
│   └── RefusedRow     … or not what the model takes
├── MissingInput   a model, file, bucket or claim is not there
│   └── CorruptArtifact   … or is there with other content than its manifest says
├── NoAccess       credentials are missing, wrong or not sufficient
├── Unavailable    a service does not answer now; a retry may help
├── NoAccelerator  a GPU was asked for, and there is none that can be used
├── OutOfMemory    the GPU's memory is too small for the batch
├── NonFiniteLoss  the loss became NaN or infinite
├── MergeMismatch  the merged model does not answer as the adapters did
└── Preempted      the pod was told to stop

Any other exception is a Bug. The exit code of each class is in `finetune_api.failures`.
"""

from typing import ClassVar

from finetune_api.failures import EXIT_CODE_OF, FailureClass
from finetune_api.handoff import Failure


class TrainerError(Exception):
    """Base of the tree. `field` names the spec's field to mend, such as `spec.dataset.train.source`."""

    failure_class: ClassVar[FailureClass] = FailureClass.BUG

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def as_failure(self) -> Failure:
        """Return the error as the termination report spells it."""
        return Failure(failure_class=self.failure_class, message=self.message, field=self.field)

    @property
    def exit_code(self) -> int:
        """Return the exit code of the error's class."""
        return int(EXIT_CODE_OF[self.failure_class])


class BadSpec(TrainerError):
    """The resource asks for something that cannot be done."""

    failure_class = FailureClass.BAD_SPEC


class UnfitTemplate(BadSpec):
    """A chat template that leaves out what a row has or what is asked of it; who knows the row's place names it."""


class BadMetric(BadSpec):
    """A metric of the user's own that fails; its code is taken anew by the next launch."""


class BadData(TrainerError):
    """A data file or row is not what the task needs."""

    failure_class = FailureClass.BAD_DATA


class RefusedRow(BadData):
    """A row that the model's chat template refuses; who knows where the row came from names its place."""

    found = ""
    expected = ""

    @classmethod
    def of(cls, found: str, expected: str) -> "RefusedRow":
        """Return the error that says what was found in the row, and what was expected."""
        error = cls(f"found {found}; expected {expected}", "spec.dataset.train.source")
        error.found, error.expected = found, expected
        return error


class MissingInput(TrainerError):
    """A model, file, bucket or claim is not there."""

    failure_class = FailureClass.MISSING_INPUT


class CorruptArtifact(MissingInput):
    """A published model's files differ from its manifest, or the manifest from the wanted digest."""


class NoAccess(TrainerError):
    """Credentials are missing, wrong or not sufficient."""

    failure_class = FailureClass.NO_ACCESS


class Unavailable(TrainerError):
    """A service does not answer now; a retry may help."""

    failure_class = FailureClass.UNAVAILABLE


class NoAccelerator(TrainerError):
    """A GPU was asked for, and there is none that can be used."""

    failure_class = FailureClass.NO_ACCELERATOR


class OutOfMemory(TrainerError):
    """The GPU's memory is too small for the batch."""

    failure_class = FailureClass.OUT_OF_MEMORY


class NonFiniteLoss(TrainerError):
    """The loss became NaN or infinite."""

    failure_class = FailureClass.NON_FINITE_LOSS


class MergeMismatch(TrainerError):
    """The merged model does not answer as the adapters did."""

    failure_class = FailureClass.MERGE_MISMATCH


class Preempted(TrainerError):
    """The pod was told to stop."""

    failure_class = FailureClass.PREEMPTED
