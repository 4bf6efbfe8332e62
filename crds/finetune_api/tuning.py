"""`spec.tuning`: which weights learn."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.schema import ApiModel, Rule


class TuningMethod(StrEnum):
    """Which weights learn."""

    FULL = "Full"
    LORA = "LoRA"


ALL_LINEAR = "AllLinear"
ModuleName = Annotated[str, Field(min_length=1, max_length=128)]


class LoRAOptions(ApiModel):
    """Low-rank adapters (PEFT's LoraConfig)."""

    rules = (
        Rule(
            f"!has(self.targetModules) || !('{ALL_LINEAR}' in self.targetModules) || self.targetModules.size() == 1",
            f"{ALL_LINEAR} already covers every linear layer; list either {ALL_LINEAR} or module names",
            field_path=".targetModules",
        ),
    )

    rank: int = Field(16, ge=1, le=1024, description="Rank r of the adapter matrices.")
    alpha: float = Field(32, gt=0, le=65536, description="Scale: the adapter's output is multiplied by alpha / rank.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout probability on the adapter's input.")
    target_modules: list[ModuleName] = Field(
        default=[ALL_LINEAR],
        min_length=1,
        max_length=64,
        description="Names of the modules that get an adapter, or AllLinear for every linear layer but the head.",
    )


class TuningSpec(ApiModel):
    """How the model is tuned."""

    rules = (
        Rule(
            "self.method == 'LoRA' || !has(self.lora)",
            "is only for method LoRA; remove the block or set spec.tuning.method: LoRA",
            field_path=".lora",
            reason="FieldValueForbidden",
        ),
    )

    method: TuningMethod = Field(
        TuningMethod.FULL,
        description="Full tunes every weight; LoRA trains adapters that are merged afterwards.",
    )
    lora: LoRAOptions | None = Field(None, description="Options of method LoRA.")
