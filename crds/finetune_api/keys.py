"""Every label, annotation, condition type and reason that is written to the cluster, in one place."""

from enum import StrEnum

from finetune_api import GROUP

MANAGED_BY = "finetune-operator"

LABEL_NAME = "app.kubernetes.io/name"
LABEL_INSTANCE = "app.kubernetes.io/instance"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_PART_OF = "app.kubernetes.io/part-of"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_JOB_UID = f"{GROUP}/job-uid"
LABEL_RUN = f"{GROUP}/run"
ANNOTATION_JOB_NAME = f"{GROUP}/job-name"
ANNOTATION_LAUNCH = f"{GROUP}/launch"
ANNOTATION_DEADLINE = f"{GROUP}/active-deadline-seconds"
"""The limit that a training Job keeps; its own deadline counts from its start, waiting included."""
ANNOTATION_DIGEST = f"{GROUP}/artifact-digest"
ANNOTATION_APPLIED = f"{GROUP}/applied"
"""Digest of the manifest that a child was applied from, so that a removed field is noticed too."""

OWN_PREFIXES = (f"{GROUP}/", "app.kubernetes.io/", "batch.kubernetes.io/")
"""How the keys begin of labels that the operator and the controllers set on pods."""
POD_LABELS_OF_CONTROLLERS = ("job-name", "controller-uid", "pod-template-hash")

ANNOTATION_ASKED = f"{GROUP}/asked"
"""What was last asked of a training Job that may change while it lives: what others make of it is left alone."""


class Component(StrEnum):
    """Value of the component label: what a child is for."""

    TRAINING = "training"
    SERVING = "serving"


class Phase(StrEnum):
    """A one-word summary for people, derived from the conditions; programs read the conditions."""

    PENDING = "Pending"
    TRAINING = "Training"
    EVALUATING = "Evaluating"
    PUBLISHING = "Publishing"
    DEPLOYING = "Deploying"
    READY = "Ready"
    SUCCEEDED = "Succeeded"
    SUSPENDED = "Suspended"
    FAILED = "Failed"
    TERMINATING = "Terminating"


class ConditionType(StrEnum):
    """Types of the status conditions, following kstatus: Reconciling and Stalled appear only while true."""

    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    TRAINED = "Trained"
    EVALUATED = "Evaluated"
    PUBLISHED = "Published"
    SUCCEEDED = "Succeeded"
    READY = "Ready"


class Reason(StrEnum):
    """Reasons of conditions and Events that do not come from a failure class."""

    WAITING_FOR_SOURCE = "WaitingForSource"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_FAILED = "SourceFailed"
    SOURCE_CYCLE = "SourceCycle"
    SOURCE_RESOLVED = "SourceResolved"
    RUN_STARTED = "RunStarted"
    RUN_SUPERSEDED = "RunSuperseded"
    STOPPING_PREVIOUS_RUN = "StoppingPreviousRun"
    CREATING_POD = "CreatingPod"
    UNSCHEDULABLE = "Unschedulable"
    SCHEDULING_GATED = "SchedulingGated"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    QUOTA_EXCEEDED = "QuotaExceeded"
    ADMISSION_REFUSED = "AdmissionRefused"
    API_SERVER_REFUSED = "ApiServerRefused"
    OPERATOR_ERROR = "OperatorError"
    VOLUME_NOT_READY = "VolumeNotReady"
    SECRET_NOT_FOUND = "SecretNotFound"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    WORKSPACE_DELETED = "WorkspaceDeleted"
    SERVICE_ACCOUNT_NOT_FOUND = "ServiceAccountNotFound"
    CODE_NOT_ALLOWED = "CodeNotAllowed"
    CONTAINER_NOT_STARTING = "ContainerNotStarting"
    POD_NOT_STARTING = "PodNotStarting"
    POD_STARTING = "PodStarting"
    TRAINING = "Training"
    RESUMED = "Resumed"
    RELAUNCHED = "Relaunched"
    WORKSPACE_LOST = "WorkspaceLost"
    RETRYING = "Retrying"
    WAITING_FOR_STORE = "WaitingForStore"
    RESUMING = "Resuming"
    POD_REJECTED = "PodRejected"
    CONTAINER_FAILED = "ContainerFailed"
    EPHEMERAL_STORAGE_EXCEEDED = "EphemeralStorageExceeded"
    NODE_LOST = "NodeLost"
    CONTAINER_OUTLIVES = "ContainerOutlives"
    EVALUATING = "Evaluating"
    PUBLISHING = "Publishing"
    TRAINED = "Trained"
    EVALUATED = "Evaluated"
    PUBLISHED = "Published"
    SUCCEEDED = "Succeeded"
    DEPLOYING = "Deploying"
    SERVING = "Serving"
    SERVING_NOT_READY = "ServingNotReady"
    CONTESTED = "Contested"
    PINNED_RUN_NOT_FOUND = "PinnedRunNotFound"
    SCALED_TO_ZERO = "ScaledToZero"
    SUSPENDED = "Suspended"
    SUSPENDED_BY_OTHERS = "SuspendedByOthers"
    NAME_CONFLICT = "NameConflict"
    HELD_BY_FINALIZER = "HeldByFinalizer"
    INVALID_SPEC = "InvalidSpec"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
