"""`spec.training`: how long and how fast it learns."""

from enum import StrEnum

from pydantic import Field

from finetune_api.schema import ApiModel, Rule


class Precision(StrEnum):
    """Number format of the computation; weights of trained parameters stay in float32."""

    AUTO = "Auto"
    FP32 = "FP32"
    BF16 = "BF16"


class LRSchedulerType(StrEnum):
    """Course of the learning rate after the warm-up, by transformers' names."""

    LINEAR = "linear"
    COSINE = "cosine"
    COSINE_WITH_RESTARTS = "cosine_with_restarts"
    COSINE_WITH_MIN_LR = "cosine_with_min_lr"
    POLYNOMIAL = "polynomial"
    CONSTANT = "constant"
    CONSTANT_WITH_WARMUP = "constant_with_warmup"
    INVERSE_SQRT = "inverse_sqrt"
    WARMUP_STABLE_DECAY = "warmup_stable_decay"


class Optimizer(StrEnum):
    """Optimizers by transformers' names: those that run with the trainer image's libraries."""

    ADAMW_TORCH_FUSED = "adamw_torch_fused"
    ADAMW_TORCH = "adamw_torch"
    ADAMW_8BIT = "adamw_8bit"
    PAGED_ADAMW_32BIT = "paged_adamw_32bit"
    PAGED_ADAMW_8BIT = "paged_adamw_8bit"
    ADEMAMIX = "ademamix"
    ADEMAMIX_8BIT = "ademamix_8bit"
    PAGED_ADEMAMIX_32BIT = "paged_ademamix_32bit"
    PAGED_ADEMAMIX_8BIT = "paged_ademamix_8bit"
    LION_32BIT = "lion_32bit"
    LION_8BIT = "lion_8bit"
    PAGED_LION_32BIT = "paged_lion_32bit"
    PAGED_LION_8BIT = "paged_lion_8bit"
    ADAFACTOR = "adafactor"
    ADAGRAD = "adagrad"
    RMSPROP = "rmsprop"
    SGD = "sgd"


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
        Rule(
            "!has(self.warmupSteps) || self.warmupRatio == 0.0",
            "set only one of warmupSteps and warmupRatio",
            field_path=".warmupSteps",
        ),
        Rule(
            "self.lrSchedulerType != 'constant' || (self.warmupRatio == 0.0 && !has(self.warmupSteps))",
            "constant has no warm-up; use constant_with_warmup, or leave warmupRatio and warmupSteps out",
            field_path=".lrSchedulerType",
        ),
        Rule(
            "self.lrSchedulerType != 'warmup_stable_decay' || (has(self.lrSchedulerArguments)"
            " && 'num_decay_steps' in self.lrSchedulerArguments)",
            "needs num_decay_steps for lrSchedulerType: warmup_stable_decay",
            field_path=".lrSchedulerArguments",
        ),
        Rule(
            "self.lrSchedulerType != 'cosine_with_min_lr' || (has(self.lrSchedulerArguments)"
            " && ('min_lr' in self.lrSchedulerArguments || 'min_lr_rate' in self.lrSchedulerArguments))",
            "needs min_lr or min_lr_rate for lrSchedulerType: cosine_with_min_lr",
            field_path=".lrSchedulerArguments",
        ),
    )

    epochs: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Passes over the training rows. Default, when maxSteps is not set: 3, or 1 where it learns from"
        " preferences and rewards.",
    )
    max_steps: int | None = Field(None, ge=1, le=10_000_000, description="Optimizer steps, instead of epochs.")
    learning_rate: float | None = Field(
        None, gt=0, le=1, description="Peak learning rate. Default: by task and tuning method; see docs/tuning.md."
    )
    lr_scheduler_type: LRSchedulerType = Field(
        LRSchedulerType.LINEAR, description="Schedule after the warm-up, by transformers' names."
    )
    lr_scheduler_arguments: dict[str, float] | None = Field(
        None,
        max_length=8,
        description="Arguments of the schedule by transformers' names, such as num_cycles, power, lr_end, min_lr_rate,"
        " num_decay_steps.",
    )
    warmup_ratio: float = Field(0.0, ge=0, lt=1, description="Share of the steps in which the rate rises from 0.")
    warmup_steps: int | None = Field(
        None, ge=1, le=10_000_000, description="Steps in which the rate rises from 0, instead of warmupRatio."
    )
    optimizer: Optimizer = Field(
        Optimizer.ADAMW_TORCH_FUSED,
        description="Optimizer, by transformers' names. 8-bit ones hold their state in a quarter of the memory; paged"
        " ones move it to the CPU's memory while a GPU's is short.",
    )
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="Beta 1 of Adam and Lion.")
    adam_beta2: float = Field(0.999, ge=0, lt=1, description="Beta 2 of Adam and Lion.")
    adam_epsilon: float = Field(1e-8, gt=0, le=1, description="Epsilon of Adam.")
    weight_decay: float = Field(0.0, ge=0, le=1, description="Decoupled weight decay.")
    neftune_noise_alpha: float | None = Field(
        None, gt=0, le=100, description="NEFTune: noise on the embeddings while training, such as 5. Default: none."
    )
    max_grad_norm: float = Field(1.0, gt=0, le=1000, description="Gradients are clipped to this norm.")
    batch_size: int = Field(8, ge=1, le=4096, description="Rows per forward pass.")
    gradient_accumulation_steps: int = Field(1, ge=1, le=4096, description="Forward passes per optimizer step.")
    global_batch_size: int | None = Field(
        None,
        ge=1,
        le=16_777_216,
        description="Rows per optimizer step: a cross-check of batchSize x gradientAccumulationSteps.",
    )
    max_length: int = Field(
        512,
        ge=8,
        le=1_048_576,
        description="Tokens per row, or as many as the model can place if these are fewer; what is"
        " longer is cut off. The tokenizer's own limit does not count.",
    )
    packing: bool = Field(
        False,
        description="Fill rows of maxLength tokens with several documents that do not see each other, instead of"
        " padding (CausalLM, SFT). batchSize, steps and rates then count such packed rows.",
    )
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
