"""`spec.training`: how long and how fast it learns."""

from enum import StrEnum

from pydantic import Field

from finetune_api.schema import ApiModel, Rule

DEFAULT_EPOCHS = 3.0


class Precision(StrEnum):
    """Number format of the computation; weights of trained parameters stay in float32."""

    AUTO = "Auto"
    FP32 = "FP32"
    BF16 = "BF16"


class LRSchedulerType(StrEnum):
    """Course of the learning rate after the warm-up."""

    LINEAR = "Linear"
    COSINE = "Cosine"
    CONSTANT = "Constant"


class TrainingSpec(ApiModel):
    """The training loop."""

    rules = (
        Rule(
            "!(has(self.epochs) && has(self.maxSteps))",
            "set only one of epochs and maxSteps; both say when training ends",
        ),
        Rule(
            "!has(self.globalBatchSize) || self.globalBatchSize == self.batchSize * self.gradientAccumulationSteps",
            "must equal batchSize x gradientAccumulationSteps; change one of the three or leave globalBatchSize out",
            field_path=".globalBatchSize",
        ),
    )

    epochs: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Passes over the training rows. Default: 3 when maxSteps is not set.",
    )
    max_steps: int | None = Field(None, ge=1, le=10_000_000, description="Optimizer steps, instead of epochs.")
    learning_rate: float = Field(5e-5, gt=0, le=1, description="Peak learning rate of AdamW.")
    lr_scheduler_type: LRSchedulerType = Field(LRSchedulerType.LINEAR, description="Schedule after the warm-up.")
    warmup_ratio: float = Field(0.0, ge=0, lt=1, description="Share of the steps in which the rate rises from 0.")
    weight_decay: float = Field(0.0, ge=0, le=1, description="Decoupled weight decay of AdamW.")
    max_grad_norm: float = Field(1.0, gt=0, le=1000, description="Gradients are clipped to this norm.")
    batch_size: int = Field(8, ge=1, le=4096, description="Rows per forward pass.")
    gradient_accumulation_steps: int = Field(1, ge=1, le=4096, description="Forward passes per optimizer step.")
    global_batch_size: int | None = Field(
        None,
        ge=1,
        le=16_777_216,
        description="Rows per optimizer step: a cross-check of batchSize x gradientAccumulationSteps.",
    )
    max_length: int = Field(512, ge=8, le=1_048_576, description="Tokens per row; what is longer is cut off.")
    precision: Precision = Field(
        Precision.AUTO, description="Auto computes in bfloat16 on GPUs that have it and in float32 elsewhere."
    )
    gradient_checkpointing: bool = Field(
        False, description="Recompute activations in the backward pass: less memory, about a third slower."
    )
    seed: int = Field(42, ge=0, le=4294967295, description="Seed of initialisation, order and dropout.")
    logging_interval_steps: int = Field(10, ge=1, le=1_000_000, description="Steps between two reports of the loss.")
    evaluation_interval_steps: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Steps between two evaluations while training. Default: none but the last.",
    )
    checkpoint_interval_steps: int = Field(
        200,
        ge=1,
        le=10_000_000,
        description="Steps between two checkpoints; a retried pod resumes from the newest.",
    )
