"""Options of task KTO."""

from typing import ClassVar

from pydantic import Field

from finetune_api.schema import Rule
from finetune_api.tasks.options import TaskOptions
from finetune_api.tasks.reference_rules import no_noise


class KTOOptions(TaskOptions):
    """Options of task KTO (Kahneman-Tversky optimization: answers that are each marked good or bad)."""

    main_metric: ClassVar[str] = "logps_roc_auc"
    writes_text: ClassVar[bool] = True
    # TRL's KTOConfig.
    learning_rate: ClassVar[float] = 1e-6
    adapter_learning_rate: ClassVar[float] = 1e-5
    epochs: ClassVar[float] = 1.0

    beta: float = Field(
        0.1, gt=0, le=100, description="How strongly the model is held to the base model: the higher, the closer."
    )
    desirable_weight: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="Weight of the loss of desirable rows. Desirable and undesirable rows times their weights should"
        " be between 1:1 and 4:3.",
    )
    undesirable_weight: float = Field(1.0, gt=0, le=1000, description="Weight of the loss of undesirable rows.")

    @classmethod
    def spec_rules(cls, task: str, block: str) -> tuple[Rule, ...]:
        """Return the rules that a batch has rows to compare, and that noise does not blur the comparison."""
        del block
        return (
            no_noise(task),
            Rule(
                f"self.task != '{task}' || self.training.batchSize >= 2",
                f"must be at least 2 for task {task}, which compares the rows of a batch with each other",
                field_path=".training.batchSize",
            ),
        )
