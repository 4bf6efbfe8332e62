"""Options of task ORPO."""

from typing import ClassVar

from pydantic import Field

from finetune_api.tasks.options import TaskOptions


class ORPOOptions(TaskOptions):
    """Options of task ORPO (odds ratio preference optimization, without a reference model)."""

    main_metric: ClassVar[str] = "logps_accuracy"
    writes_text: ClassVar[bool] = True
    # ORPO (Hong et al. 2024, appendix C).
    learning_rate: ClassVar[float] = 8e-6
    adapter_learning_rate: ClassVar[float] = 8e-5
    epochs: ClassVar[float] = 1.0

    beta: float = Field(
        0.1,
        gt=0,
        le=100,
        description="Weight of the odds ratio between chosen and rejected answer, beside the cross-entropy of prompt"
        " and chosen answer (lambda in the paper).",
    )
