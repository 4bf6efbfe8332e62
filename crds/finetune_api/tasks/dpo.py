"""Options of task DPO."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from finetune_api.schema import Rule
from finetune_api.spec.model import ModelSpec
from finetune_api.tasks.options import TaskOptions
from finetune_api.tasks.reference_rules import no_noise


class DPOLossType(StrEnum):
    """Loss over a pair, by TRL's names."""

    SIGMOID = "sigmoid"
    SIGMOID_NORM = "sigmoid_norm"
    HINGE = "hinge"
    IPO = "ipo"
    ROBUST = "robust"
    EXO_PAIR = "exo_pair"
    NCA_PAIR = "nca_pair"
    BCO_PAIR = "bco_pair"
    SPPO_HARD = "sppo_hard"
    AOT = "aot"
    AOT_UNPAIRED = "aot_unpaired"
    APO_ZERO = "apo_zero"
    APO_DOWN = "apo_down"
    DISCOPOP = "discopop"


SMOOTHED = ("robust", "exo_pair", "aot", "aot_unpaired")


class DPOOptions(TaskOptions):
    """Options of task DPO (direct preference optimization)."""

    main_metric: ClassVar[str] = "logps_accuracy"
    writes_text: ClassVar[bool] = True
    # TRL's DPOConfig.
    learning_rate: ClassVar[float] = 1e-6
    adapter_learning_rate: ClassVar[float] = 1e-5
    epochs: ClassVar[float] = 1.0
    rules = (
        Rule(
            f"self.labelSmoothing == 0.0 || self.lossType in {list(SMOOTHED)}",
            f"is only for lossType {', '.join(SMOOTHED[:-1])} or {SMOOTHED[-1]}; remove it or set one of these",
            field_path=".labelSmoothing",
        ),
        Rule(
            "self.lossType != 'exo_pair' || self.labelSmoothing > 0.0",
            "exo_pair needs labelSmoothing above 0, such as 0.001",
            field_path=".labelSmoothing",
        ),
    )

    beta: float = Field(
        0.1, gt=0, le=100, description="How strongly the model is held to the reference: the higher, the closer."
    )
    loss_type: DPOLossType = Field(
        DPOLossType.SIGMOID, description="Loss over a pair, by TRL's names; sigmoid is that of the DPO paper."
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        le=0.49,
        description="Assumed share of pairs whose answers are swapped by mistake: robust, exo_pair, aot, aot_unpaired.",
    )
    rpo_alpha: float | None = Field(
        None,
        gt=0,
        le=100,
        description="Adds so much of the cross-entropy of the chosen answers to the loss, so that they stay likely."
        " Default: nothing.",
    )
    reference_model: ModelSpec | None = Field(
        None,
        description="Model that the tuned one is held to, with the same tokenizer. Default: the base model; with"
        " adapters it is the base model with the adapter switched off, and takes no memory.",
    )
    precompute_reference_log_probs: bool = Field(
        False,
        description="Ask the reference model once, before the training, so that it needs no memory while training.",
    )

    def other_models(self) -> dict[str, tuple[str, ModelSpec]]:
        """Return the reference model, if the spec names one."""
        return {"reference": ("referenceModel", self.reference_model)} if self.reference_model else {}

    @classmethod
    def spec_rules(cls, task: str, block: str) -> tuple[Rule, ...]:
        """Return the rule that noise does not blur the comparison with the reference."""
        del block
        return (no_noise(task),)
