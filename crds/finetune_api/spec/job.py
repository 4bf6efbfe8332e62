"""`spec` of a FineTuneJob, put together from its blocks."""

from typing import Annotated

from pydantic import Field

from finetune_api.schema import Rule
from finetune_api.spec.compute import ComputeSpec
from finetune_api.spec.inputs import TrainingInputs, only_for_tasks
from finetune_api.spec.output import OutputSpec
from finetune_api.spec.serving import ServingSpec
from finetune_api.spec.storage import StorageSpec, WorkspaceTTL
from finetune_api.spec.tracking import TrackingSpec
from finetune_api.tasks import OPTIONS, Task

PACKING = [task.value for task in Task if OPTIONS[task].may_pack]


class FineTuneJobSpec(TrainingInputs):
    """What a person asks for."""

    rules = (
        *TrainingInputs.rules,
        only_for_tasks([task for task in Task if OPTIONS[task].writes_text], "evaluation.samplePrompts"),
        only_for_tasks([task for task in Task if OPTIONS[task].takes_metrics], "evaluation.metrics"),
        Rule(
            f"!self.training.packing || self.task in {PACKING}",
            f"is only for tasks {' and '.join(PACKING)}; remove it",
            field_path=".training.packing",
            reason="FieldValueForbidden",
        ),
    )

    compute: ComputeSpec = Field(default=ComputeSpec(), description="Resources of the training pod.")
    storage: StorageSpec = Field(
        default=StorageSpec(),
        description="The workspace volume. Fixed once the volume exists, but for its size, which may grow.",
    )
    output: OutputSpec = Field(description="Where the result is published.")
    tracking: TrackingSpec | None = Field(None, description="The experiment tracker that follows the training.")
    serving: ServingSpec = Field(default=ServingSpec(), description="The inference Deployment.")
    suspend: bool = Field(
        False, description="Stop the training pod (it saves a checkpoint) and start none; false resumes."
    )
    run_id: Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z0-9._-]*$")] | None = Field(
        None, description="Any new value forces a new run of unchanged inputs."
    )
    retry: Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z0-9._:-]*$")] | None = Field(
        None,
        description="Any new value launches a failed run again: the stages that are done are kept, and it goes on at"
        " the one that failed.",
    )
    max_retries: int = Field(3, ge=0, le=100, description="Failed pods of a run before it fails; preemptions are free.")
    active_deadline_seconds: int | None = Field(
        None,
        ge=1,
        le=31_536_000,
        description="Longest time that a run's trainers may work, in seconds, over all pods of the run. Waiting for a"
        " node, a volume or an image is not counted.",
    )
    ttl_seconds_after_finished: int | None = Field(
        None,
        ge=0,
        le=31_536_000,
        description="Seconds after which the finished training Job and its pods are deleted. Default: kept.",
    )
    workspace_ttl_seconds_after_finished: WorkspaceTTL | None = Field(
        None,
        alias="workspaceTTLSecondsAfterFinished",
        description="Seconds after which the workspace volume of a run that succeeded or failed is deleted, with its"
        " checkpoints and the ended pods that hold it; what is published stays. A later run claims a new one. An"
        " existingClaim is never deleted. Default: kept as long as this job.",
    )
