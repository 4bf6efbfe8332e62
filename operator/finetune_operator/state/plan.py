"""What a reconciliation has decided to do."""

from dataclasses import dataclass

from finetune_api.traces import Span
from finetune_operator.desired.defaults import NO_DEFAULTS, JobDefaults
from finetune_operator.desired.tracing import TraceExport
from finetune_operator.kinds import Manifest
from finetune_operator.occurrence import Occurrence


@dataclass(frozen=True)
class Note:
    """An Event to record: something happened, in words."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Merge:
    """Fields to change in a live object. wish: what is asked of it in all. over: what is changed, in words."""

    live: Manifest
    changes: Manifest
    wish: str = ""
    over: str = ""


@dataclass(frozen=True)
class Pull:
    """A running training pod whose progress is to be read."""

    pod_uid: str
    address: str
    run_id: str


@dataclass(frozen=True)
class Plan:
    """Carried out in this order; each part may be empty.

    status: the whole next status, None when it means what the present one means. look_again_seconds: reconcile
    again after this time even if nothing is heard; None waits for a change. pull: where to read progress from.
    occurrences: what is to be counted, and spans: what is to be traced, once the status is written.
    """

    applies: tuple[Manifest, ...] = ()
    merges: tuple[Merge, ...] = ()
    deletes: tuple[Manifest, ...] = ()
    status: Manifest | None = None
    notes: tuple[Note, ...] = ()
    look_again_seconds: float | None = None
    pull: Pull | None = None
    occurrences: tuple[Occurrence, ...] = ()
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Policy:
    """The operator's settings as far as decisions depend on them. traces: None where none are made."""

    trainer_image: str
    pending_interval_seconds: float = 4.0
    refused_interval_seconds: float = 15.0
    stopping_interval_seconds: float = 2.0
    allows_custom_code: bool = False
    defaults: JobDefaults = NO_DEFAULTS
    traces: TraceExport | None = None
