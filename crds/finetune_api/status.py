"""`status` of a FineTuneJob: what the operator has seen."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.keys import ConditionType, Phase
from finetune_api.parts.secrets import SecretRef
from finetune_api.schema import ApiModel, Timestamp
from finetune_api.spec.tracking import TrackedRun

HISTORY_LIMIT = 100
"""Entries have about 300 bytes; the API server takes 1.5 MB for an object."""
HISTORY_FIGURES_LIMIT = 10
"""Entries with all figures of their run: about 1 KB each."""
WarningText = Annotated[str, Field(max_length=1024)]
MetricName = Annotated[str, Field(max_length=128)]


class ConditionStatus(StrEnum):
    """Status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One condition, as metav1.Condition."""

    type: str = Field(min_length=1, max_length=316, description=f"{', '.join(ConditionType)}.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    observed_generation: int | None = Field(None, ge=0, description="metadata.generation that this was derived from.")
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    reason: str = Field(min_length=1, max_length=1024, description="Why, as one CamelCase word.")
    message: str = Field(max_length=32768, description="Why, in words.")


class ProgressStatus(ApiModel):
    """How far the training has come."""

    stage: str | None = Field(None, max_length=64, description="Data, Model, Train, Evaluate, Export or Push.")
    stage_started_at: Timestamp | None = Field(None, description="When the operator first saw it in this stage.")
    step: int = Field(0, ge=0, description="Optimizer steps done.")
    total_steps: int | None = Field(None, ge=0, description="Optimizer steps in all.")
    percent: int | None = Field(None, ge=0, le=100, description="Share of the steps that is done.")
    display: str | None = Field(
        None, max_length=64, description="Step, total and percent for the table of kubectl get."
    )
    epoch: float | None = Field(None, ge=0, description="Passes over the data done.")
    loss: float | None = Field(None, description="Training loss, mean of the last reporting interval.")
    learning_rate: float | None = Field(None, description="Learning rate.")
    eta_seconds: int | None = Field(None, ge=0, description="Estimated seconds until training ends.")
    eta: str | None = Field(None, max_length=32, description="The same for people, such as 4m10s.")
    samples_per_second: float | None = Field(None, ge=0, description="Rows learnt from per second.")
    tokens_per_second: float | None = Field(None, ge=0, description="Tokens learnt from per second.")
    trainable_parameters: int | None = Field(None, ge=0, description="Count of the parameters that learn.")
    waiting: str | None = Field(None, max_length=1024, description="What the pod waits for, in words, while it does.")


class MetricsStatus(ApiModel):
    """Figures of the run."""

    train: dict[MetricName, float] | None = Field(None, max_length=64, description="Of the training.")
    evaluation: dict[MetricName, float] | None = Field(
        None, max_length=64, description="Of the tuned model on the held-out rows."
    )
    baseline: dict[MetricName, float] | None = Field(
        None, max_length=64, description="Of the untouched base model on the same rows."
    )


class RunStatus(ApiModel):
    """The run that the spec asks for."""

    id: str = Field(max_length=63, description="Hash of the training inputs; names the run's children.")
    launch: str = Field(max_length=64, description="Digest of everything that its training Job was made from.")
    inputs: str | None = Field(
        None, max_length=63, description="Hash of the training inputs, where the id is another: an earlier release's."
    )
    launch_inputs: str | None = Field(
        None,
        max_length=64,
        description="Digest of what its training Job was made from, where launch is another: an earlier release's, or"
        " that of a Job that only judges the model again.",
    )
    evaluation: str | None = Field(
        None,
        max_length=63,
        description="Digest of spec.evaluation when its training Job was created. Default: of none.",
    )
    attempt: int = Field(0, ge=0, description="Pods of this run that failed and were counted.")
    started_at: Timestamp | None = Field(None, description="When its training Job was created.")
    pod_started_at: Timestamp | None = Field(
        None, description="When the trainer of its first pod began to work: until then, it has waited."
    )
    finished_at: Timestamp | None = Field(None, description="When it succeeded or failed.")
    resumed_from_step: int | None = Field(None, ge=0, description="Checkpoint that the newest pod resumed from.")
    active_seconds: int | None = Field(
        None,
        ge=0,
        description="Seconds that its trainers worked which have ended, without waiting.",
    )
    active_until: Timestamp | None = Field(None, description="When the newest of them ended.")
    lost_job: str | None = Field(
        None,
        max_length=63,
        description="UID of the run's training Job that completed, but whose pod's last word was gone; the run was"
        " launched again in its place, once.",
    )


class ArtifactStatus(ApiModel):
    """What was published."""

    run: str = Field(max_length=63, description="Id of the run that made it.")
    uri: str = Field(max_length=2048, description="Where it lies.")
    digest: str = Field(max_length=128, description="sha256 digest of the files.")
    size_bytes: int | None = Field(None, ge=0, description="Size of the files.")
    base_revision: str | None = Field(None, max_length=128, description="Revision of the base model.")
    image: str | None = Field(
        None, max_length=512, description="Image that serves it, unless spec.serving.image names another."
    )
    evaluation: str | None = Field(
        None,
        max_length=63,
        description="Digest of the spec.evaluation that it was judged by; unset for defaults.",
    )


class PublishedRun(ArtifactStatus):
    """A run that was published: it may be served again, or gone back to, without training."""

    score: str | None = Field(None, max_length=64, description="The task's main metric, tuned against base.")
    progress: ProgressStatus | None = Field(
        None, description=f"How its training went; told of the newest {HISTORY_FIGURES_LIMIT} entries."
    )
    metrics: MetricsStatus | None = Field(
        None, description=f"Figures of the run; told of the newest {HISTORY_FIGURES_LIMIT} entries."
    )
    published_at: Timestamp | None = Field(None, description="When the operator saw that it was published.")

    @property
    def artifact(self) -> ArtifactStatus:
        """What was published."""
        return ArtifactStatus(**{name: getattr(self, name) for name in ArtifactStatus.model_fields})


class SourceStatus(ApiModel):
    """What a `job://` source stands for: it stays true for the run, whatever becomes of the other FineTuneJob."""

    field: str = Field(max_length=256, description="Field that names the source, such as spec.model.source.")
    job: str = Field(max_length=253, description="FineTuneJob whose model is read.")
    run: str = Field(max_length=63, description="Id of its run that made the model.")
    uri: str = Field(max_length=2048, description="Where the model lies.")
    digest: str = Field(max_length=128, description="sha256 digest of the model's files.")
    secret_ref: SecretRef | None = Field(None, description="Credentials that it was published with, if they are used.")


class ServingStatus(ApiModel):
    """What is served."""

    url: str | None = Field(None, max_length=2048, description="Address inside the cluster.")
    run: str | None = Field(None, max_length=63, description="Id of the run whose model is served.")
    digest: str | None = Field(None, max_length=128, description="sha256 digest of the served files.")
    replicas: int | None = Field(None, ge=0, description="Serving pods.")
    ready_replicas: int | None = Field(None, ge=0, description="Serving pods that are ready.")
    selector: str | None = Field(None, max_length=1024, description="Label selector of the serving pods, for scaling.")


class UsageStatus(ApiModel):
    """What the job has used, over all its runs."""

    gpu_seconds: int = Field(0, ge=0, description="GPUs times the seconds that trainers worked with them.")
    counted_until: Timestamp | None = Field(
        None, description="Until when that is counted. Work that goes on is counted with each change of the status."
    )


class FineTuneJobStatus(ApiModel):
    """What the operator has seen."""

    observed_generation: int | None = Field(
        None, ge=-1, description="metadata.generation that this status is of; -1 before the operator has seen it."
    )
    phase: Phase | None = Field(None, description="Summary for people; programs read the conditions.")
    last_phase_transition_time: Timestamp | None = Field(None, description="When the phase last changed.")
    message: str | None = Field(None, max_length=4096, description="Why it is where it is, and what to do next.")
    reason: str | None = Field(None, max_length=128, description="The same as one CamelCase word.")
    conditions: list[Condition] | None = Field(
        None,
        max_length=64,
        description="The truth, for programs. Conditions of other types than the operator's are left as they are.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    workspace: str | None = Field(
        None, max_length=253, description="PersistentVolumeClaim of the workspace, once it exists."
    )
    run: RunStatus | None = Field(None, description="The run that the spec asks for.")
    sources: list[SourceStatus] | None = Field(
        None,
        max_length=8,
        description="What the spec's job:// sources stand for.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["field"]},
    )
    progress: ProgressStatus | None = Field(None, description="How far it has come.")
    metrics: MetricsStatus | None = Field(None, description="Figures of the newest run.")
    warnings: list[WarningText] | None = Field(
        None, max_length=8, description="What is well to know about a run that goes on all the same."
    )
    tracking: TrackedRun | None = Field(None, description="Where the tracker of spec.tracking shows the newest run.")
    score: str | None = Field(None, max_length=64, description="The task's main metric, tuned against base.")
    score_metric: MetricName | None = Field(None, description="Name of that metric, as in metrics.evaluation.")
    artifact: ArtifactStatus | None = Field(None, description="The published model of the newest run that has one.")
    history: list[PublishedRun] | None = Field(
        None,
        max_length=HISTORY_LIMIT,
        description="What was published, newest first. A spec that asks for one of these runs again trains nothing, and"
        " serving.pinnedRun serves one.",
    )
    serving: ServingStatus | None = Field(None, description="What is served.")
    usage: UsageStatus | None = Field(None, description="What the job has used; unset where it has used no GPU.")
