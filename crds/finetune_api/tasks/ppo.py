"""Options of task PPO."""

from typing import ClassVar

from pydantic import Field

from finetune_api.tasks.rewarded import RewardedOptions


class PPOOptions(RewardedOptions):
    """Options of task PPO (proximal policy optimization against a reward model or reward functions)."""

    main_metric: ClassVar[str] = "reward"
    completion_length_field: ClassVar[str] = "responseLength"
    # TRL's PPOConfig.
    learning_rate: ClassVar[float] = 3e-6
    adapter_learning_rate: ClassVar[float] = 3e-5
    epochs: ClassVar[float] = 1.0
    response_length: int = Field(
        53, ge=1, le=1_048_576, description="Longest completion, in tokens; must be below spec.training.maxLength."
    )
    temperature: float = Field(0.7, gt=0, le=10, description="Temperature at which completions are sampled.")
    num_ppo_epochs: int = Field(4, ge=1, le=64, description="Passes over each batch of completions.")
    num_mini_batches: int = Field(
        1,
        ge=1,
        le=256,
        description="Optimizer steps in each pass. So many times batchSize x gradientAccumulationSteps completions are"
        " sampled at once.",
    )
    kl_coef: float = Field(
        0.05,
        ge=0,
        le=100,
        description="Weight of each token's Kullback-Leibler penalty against the base model, taken off the reward.",
    )
    clip_range: float = Field(
        0.2, gt=0, lt=1, description="The probability ratio of new to old model is clipped to 1 ± clipRange."
    )
    clip_range_value: float = Field(
        0.2, gt=0, le=1000, description="New values are clipped to the old ones ± clipRangeValue."
    )
    vf_coef: float = Field(0.1, ge=0, le=100, description="Weight of the value function's loss.")
    gamma: float = Field(1.0, gt=0, le=1, description="Discount of later rewards.")
    lam: float = Field(0.95, ge=0, le=1, description="Lambda of generalized advantage estimation.")
    whiten_rewards: bool = Field(False, description="Scale each batch's token rewards to standard deviation 1.")
    missing_eos_penalty: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Taken off the score of a completion that does not come to its end within responseLength.",
    )
