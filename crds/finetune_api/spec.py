"""`spec` of a FineTuneJob, put together from its blocks."""

from typing import Annotated

from pydantic import Field

from finetune_api.compute import ComputeSpec
from finetune_api.dataset import DatasetSpec
from finetune_api.evaluation import EvaluationSpec
from finetune_api.model import ModelSpec
from finetune_api.output import OutputSpec
from finetune_api.schema import ApiModel, Rule
from finetune_api.serving import ServingSpec
from finetune_api.storage import StorageSpec
from finetune_api.task import SequenceClassificationOptions, SFTOptions, Task
from finetune_api.training import TrainingSpec
from finetune_api.tuning import TuningSpec


def _only_for_task(task: Task, member: str) -> Rule:
    return Rule(
        f"self.task == '{task}' || !has(self.{member})",
        f"is only for task {task}; remove the block or set spec.task: {task}",
        field_path=f".{member}",
        reason="FieldValueForbidden",
    )


class FineTuneJobSpec(ApiModel):
    """What a person asks for."""

    rules = (
        _only_for_task(Task.SEQUENCE_CLASSIFICATION, "sequenceClassification"),
        _only_for_task(Task.SFT, "sft"),
        Rule(
            f"self.task == '{Task.SFT}' || !has(self.evaluation) || !has(self.evaluation.samplePrompts)",
            f"is only for task {Task.SFT}; remove it",
            field_path=".evaluation.samplePrompts",
        ),
    )

    model: ModelSpec = Field(description="The base model.")
    task: Task = Field(description="What the model learns to do.")
    sequence_classification: SequenceClassificationOptions | None = Field(
        None, description="Options of task SequenceClassification."
    )
    sft: SFTOptions | None = Field(None, description="Options of task SFT.")
    tuning: TuningSpec = Field(default=TuningSpec(), description="Which weights learn.")
    dataset: DatasetSpec = Field(description="The data.")
    training: TrainingSpec = Field(default=TrainingSpec(), description="The training loop.")
    evaluation: EvaluationSpec = Field(default=EvaluationSpec(), description="How the tuned model is judged.")
    compute: ComputeSpec = Field(default=ComputeSpec(), description="Resources of the training pod.")
    storage: StorageSpec = Field(
        default=StorageSpec(), description="The workspace volume. Fixed once the volume exists."
    )
    output: OutputSpec = Field(description="Where the result is published.")
    serving: ServingSpec = Field(default=ServingSpec(), description="The inference Deployment.")
    suspend: bool = Field(
        False, description="Stop the training pod (it saves a checkpoint) and start none; false resumes."
    )
    run_id: Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z0-9._-]*$")] | None = Field(
        None, description="Any new value forces a new run of unchanged inputs."
    )
    max_retries: int = Field(3, ge=0, le=100, description="Failed pods of a run before it fails; preemptions are free.")
    active_deadline_seconds: int | None = Field(
        None, ge=1, le=31_536_000, description="Longest time that a run's training may be active, in seconds."
    )
    ttl_seconds_after_finished: int | None = Field(
        None,
        ge=0,
        le=31_536_000,
        description="Seconds after which the finished training Job and its pods are deleted. Default: kept.",
    )
