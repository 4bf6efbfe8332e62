"""All that comes from outside: the command line's paths, the job file, the mounted Secrets, the environment.

The only module that reads or sets environment variables.
"""

import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from finetune_api.handoff import PRETENDED_GPUS, RunRequest
from finetune_api.parts.sources import Source, parse_source
from finetune_api.quantity import amount
from finetune_api.traces import OTLP_ENDPOINT, POD_UID, TRACEPARENT, SpanRef, attempt_span, read_traceparent
from finetune_trainer.errors import BadSpec, MissingInput
from finetune_trainer.storage import Access, Credentials

PATIENCE_SECONDS = 2 * 3600.0
CPU_MAX_FILE = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Settings:
    """Where the trainer finds and leaves things; `termination_log` None means that there is no kubelet to read it.

    `patience_seconds` is how long one stage waits for a store that does not answer.
    """

    job_file: Path
    workspace: Path
    volumes: Path
    secrets: Path
    code: Path
    port: int
    termination_log: Path | None
    patience_seconds: float = PATIENCE_SECONDS

    def access(self, block: str, field: str, revision: str | None = None) -> Access:
        """Return how the source in `field` is reached, with the Secret of `block`: model, dataset or output."""
        credentials = Credentials.from_folder(self.secrets / block)
        return Access(field=field, credentials=credentials, volumes=self.volumes, revision=revision)


def read_request(path: Path) -> RunRequest:
    """Read the job file; the training block has the task's own defaults filled in.

    Raises MissingInput if there is none, BadSpec naming the first field that is not as it should be.
    """
    try:
        request = RunRequest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise MissingInput(f"{path} does not exist; give the path of a job file") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(["spec", *(str(part) for part in first["loc"])])
        found = json.dumps(first.get("input"), default=str)[:80]
        raise BadSpec(f"{path}: {field}: {first['msg']}; found {found}", field) from error
    return request.model_copy(update={"training": request.resolved_training})


def spec_source(uri: str, field: str) -> Source:
    """Parse a URI of the spec. Raises BadSpec naming `field`."""
    try:
        return parse_source(uri)
    except ValueError as error:
        raise BadSpec(f"{field}: {error}", field) from error


def settle_process() -> None:
    """Make any user id and any cloud's identity work: called once, before anything else is done.

    A cluster may give the pod a user id that the image does not know, and another one the next time. So the user has
    a name, by which libraries call their cache folders, and files may be written by the group that owns the volume.
    """
    os.umask(0o002)
    os.environ.setdefault("LOGNAME", "finetune")
    region = os.environ.get("AWS_REGION")
    if region:
        # What the clouds' webhooks and other SDKs say; boto3 reads only the other name.
        os.environ.setdefault("AWS_DEFAULT_REGION", region)


def prepare_environment(request: RunRequest) -> int:
    """Set what the libraries read once, at import; return the number of CPU threads to compute with.

    The pod's root file system and home are read-only, so caches go to the folder for temporary files.
    """
    threads = cpu_threads(request)
    scratch = os.environ.get("TMPDIR", "/tmp")  # noqa: S108
    defaults = {
        "HF_HOME": f"{scratch}/huggingface",
        # Where evaluate copies metrics to; those that are not in the workspace it would fetch from the Hub.
        "HF_MODULES_CACHE": f"{scratch}/modules",
        "HF_EVALUATE_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        # Its chunk cache would fill the scratch volume with a second copy of the model.
        "HF_HUB_DISABLE_XET": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "TORCHINDUCTOR_CACHE_DIR": f"{scratch}/torchinductor",
        "OMP_NUM_THREADS": str(threads),
        # Threads that spin while they wait make a run on a busy node several times slower.
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUDA_VISIBLE_DEVICES": "0",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    return threads


def log_format() -> str:
    """Return how to log: json, or plain for people."""
    return os.environ.get("FINETUNE_LOG_FORMAT", "plain")


@dataclass(frozen=True)
class TraceSettings:
    """Where spans go, and what they are part of: this pod of a launch. recorded: whether its trace is."""

    endpoint: str = ""
    parent: SpanRef | None = None
    recorded: bool = True


def trace_settings() -> TraceSettings:
    """Return what OpenTelemetry's variables say."""
    endpoint = os.environ.get(OTLP_ENDPOINT, "").strip()
    launch = read_traceparent(os.environ.get(TRACEPARENT, ""))
    if launch is None:
        return TraceSettings(endpoint)
    span, recorded = launch
    pod_uid = os.environ.get(POD_UID)
    return TraceSettings(endpoint, attempt_span(span, pod_uid) if pod_uid else span, recorded)


def prepare_tracker(credentials: dict[str, str]) -> str:
    """Let a tracker's client find its credentials; return the folder for what it writes.

    The clients read them from the environment only. They neither wait long for a server, nor tell their makers or
    their server of what the run has no need to.
    """
    scratch = os.environ.get("TMPDIR", "/tmp")  # noqa: S108
    defaults = {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_CACHE_DIR": f"{scratch}/wandb",
        "WANDB_CONFIG_DIR": f"{scratch}/wandb",
        "WANDB_DATA_DIR": f"{scratch}/wandb",
        "WANDB_ARTIFACT_DIR": f"{scratch}/wandb",
        "TRACKIO_DIR": f"{scratch}/trackio",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    os.environ.update(credentials)
    return scratch


def set_variable(name: str, value: str) -> None:
    """Set a variable that a library reads when it is called."""
    os.environ[name] = value


def pretends_gpus() -> bool:
    """Whether this pod's cluster only says that it has GPUs."""
    return os.environ.get(PRETENDED_GPUS, "") == "on"


def cpu_threads(request: RunRequest) -> int:
    """Return how many CPU threads to compute with: OMP_NUM_THREADS, else what the pod may use.

    The CPU request bounds it, not the node's size: sums in another number of threads round differently, and a
    resumed training must go on exactly as it began, on whatever node it lands.
    """
    wished = os.environ.get("OMP_NUM_THREADS", "")
    if wished.isdigit() and int(wished) > 0:
        return int(wished)
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    requested = math.ceil(amount(request.compute.cpu))
    return max(1, min(allowed, requested, _quota()))


def _quota() -> int:
    """Return the control group's limit in CPUs, rounded up; a large number where there is none."""
    try:
        quota, period = CPU_MAX_FILE.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return 1 << 20
