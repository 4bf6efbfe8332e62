"""What operator and trainer hand to each other: the job file, progress, the last word, and where they lie.

All documents are versioned and additive: both sides ignore fields that they do not know. The blocks of the spec in
the job file are the exception: a trainer refuses an option that it has never heard of, rather than train without it.
"""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field

from finetune_api.failures import FailureClass
from finetune_api.schema import Quantity, Tolerant
from finetune_api.spec.inputs import TrainingInputs
from finetune_api.spec.output import OutputSpec
from finetune_api.spec.tracking import TrackedRun, TrackingSpec

HANDOFF_VERSION = 1

JOB_FILE_NAME = "job.json"
JOB_FILE = PurePosixPath("/etc/finetune/job") / JOB_FILE_NAME
SECRETS_DIRECTORY = PurePosixPath("/etc/finetune/secrets")
"""Holds one folder per block that names a Secret (model, dataset, output, tracking, and any other model), one file
per key."""
VOLUMES_DIRECTORY = PurePosixPath("/volumes")
"""Holds one folder per PersistentVolumeClaim that a pvc:// URI names."""
CODE_DIRECTORY = PurePosixPath("/etc/finetune/code")
"""Holds the user's own code, a file for each name in `TrainingInputs.code`."""
CA_BUNDLE_FILE = PurePosixPath("/etc/finetune/ca/ca-bundle.crt")
"""The certificates of trusted authorities, where spec.compute.caBundle or spec.serving.caBundle names some."""
SHARED_MEMORY_DIRECTORY = PurePosixPath("/dev/shm")  # noqa: S108
WORKSPACE_DIRECTORY = PurePosixPath("/workspace")
SCRATCH_DIRECTORY = PurePosixPath("/scratch")
"""The one writable folder besides the workspace: TMPDIR and HOME."""
PRETENDED_GPUS = "FINETUNE_PRETENDED_GPUS"
"""Variable of a pod: `on` where the cluster only says that it has GPUs; what asks for them computes on the CPU."""
SERVED_MODEL_DIRECTORY = PurePosixPath("/model")
TERMINATION_LOG = PurePosixPath("/dev/termination-log")
TERMINATION_MESSAGE_LIMIT_BYTES = 4096
PROGRESS_PORT = 9090
"""Trainer: GET /progress (JSON) and /metrics (Prometheus text)."""
SERVING_PORT = 8080
"""Server: GET /healthz, /metrics, POST /v1/…"""
MANIFEST_NAME = "finetune-manifest.json"


class Stage(StrEnum):
    """Stages of the training pod, in order."""

    DATA = "Data"
    MODEL = "Model"
    TRAIN = "Train"
    EVALUATE = "Evaluate"
    EXPORT = "Export"
    PUSH = "Push"


_Word = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
StageName = Annotated[Stage | _Word, Field(union_mode="left_to_right")]
"""A stage, or the name of one that only the other side's release knows."""
FailureName = Annotated[FailureClass | _Word, Field(union_mode="left_to_right")]
"""A class of failures, or the name of one that only the other side's release knows."""


class ResolvedSource(Tolerant):
    """What a `job://` source stood for when the run began: the published artifact of another FineTuneJob."""

    job: str
    run: str
    uri: str
    digest: str


class RunResources(Tolerant):
    """What the trainer may use; where its pod runs is not its business."""

    gpus: int = 0
    gpu_resource_name: str = "nvidia.com/gpu"
    cpu: Quantity = "1"
    memory: Quantity = "4Gi"


class RunRequest(TrainingInputs):
    """The job file: the resource's training inputs, as the API server defaulted them.

    `sources` tells for each field that holds a `job://` source, such as `spec.model.source`, what to read instead.
    `trained` tells that the run has published its model: it is to be judged again, and never trained.
    """

    model_config = Tolerant.model_config

    version: int = HANDOFF_VERSION
    namespace: str
    name: str
    uid: str
    run_id: str
    compute: RunResources = RunResources()
    output: OutputSpec
    tracking: TrackingSpec | None = None
    sources: dict[str, ResolvedSource] = {}
    trained: bool = False


class Metrics(Tolerant):
    """Named figures; names are scikit-learn's and Hugging Face's, in snake_case."""

    train: dict[str, float] = {}
    evaluation: dict[str, float] = {}
    baseline: dict[str, float] = {}


class Progress(Tolerant):
    """How far the training pod has come. Rates are over the last reporting interval."""

    version: int = HANDOFF_VERSION
    run_id: str
    stage: StageName
    step: int = 0
    total_steps: int | None = None
    epoch: float | None = None
    loss: float | None = None
    learning_rate: float | None = None
    eta_seconds: float | None = None
    samples_per_second: float | None = None
    tokens_per_second: float | None = None
    resumed_from_step: int | None = None
    trainable_parameters: int | None = None
    metrics: Metrics = Metrics()
    warnings: list[str] = []
    waiting: str | None = Field(None, description="What the pod waits for, in words, while it does.")
    tracking: TrackedRun | None = None


class Artifact(Tolerant):
    """What was published: its place and the digest by which evaluated, published and served are compared."""

    uri: str
    digest: str = Field(description="sha256:<hex> over the sorted list of (path, size, sha256) of the files.")
    size_bytes: int
    base_revision: str | None = None


class Failure(Tolerant):
    """Why the trainer ended without a result, in words that say what to do."""

    failure_class: FailureName
    message: str
    field: str | None = None


class TerminationReport(Tolerant):
    """The last word of a training pod, whatever the end is: at most 4096 bytes of JSON."""

    version: int = HANDOFF_VERSION
    run_id: str
    stage: StageName | None = None
    failure: Failure | None = None
    progress: Progress | None = None
    metrics: Metrics = Metrics()
    artifact: Artifact | None = None
