"""What every task's options have in common."""

from typing import ClassVar

from finetune_api.parts.config_maps import ConfigMapKeyRef
from finetune_api.schema import ApiModel, Rule
from finetune_api.spec.model import ModelSpec


class TaskOptions(ApiModel):
    """Base of a task's options.

    `main_metric` is the one that the status shows as the score. `writes_text`: the model completes sample prompts;
    `may_pack`: several rows may share a sequence; `takes_metrics`: metrics of the user's own can be computed.
    `learning_rate` and `epochs` are what a training has that names none; with adapters, `adapter_learning_rate`, which
    is ten times the other ("LoRA Without Regret", Schulman et al. 2025) where a task's own source does not say more.
    """

    main_metric: ClassVar[str] = "loss"
    writes_text: ClassVar[bool] = False
    may_pack: ClassVar[bool] = False
    takes_metrics: ClassVar[bool] = False
    learning_rate: ClassVar[float]
    adapter_learning_rate: ClassVar[float]
    epochs: ClassVar[float]

    @property
    def score_metric(self) -> str:
        """The metric to show as the score: the task's main one, where the options do not change what is learnt."""
        return self.main_metric

    def other_models(self) -> dict[str, tuple[str, ModelSpec]]:
        """Return the models that are needed beside the one that is tuned: by name, their field in the block, and it."""
        return {}

    def code(self) -> dict[str, tuple[str, ConfigMapKeyRef]]:
        """Return the user's own code that the pod runs: by name, its field in the block, and where it lies."""
        return {}

    @classmethod
    def spec_rules(cls, task: str, block: str) -> tuple[Rule, ...]:
        """Return rules for the whole spec, such as of this block beside spec.training, for the task and its block."""
        del task, block
        return ()
