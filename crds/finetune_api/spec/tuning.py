"""`spec.tuning`: which weights learn."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from finetune_api.schema import ApiModel, Rule


class TuningMethod(StrEnum):
    """Which weights learn."""

    FULL = "Full"
    FREEZE = "Freeze"
    LORA = "LoRA"
    QLORA = "QLoRA"


ALL_LINEAR = "AllLinear"
DEFAULT_INIT = "default"
INIT_PATTERN = r"^(default|gaussian|orthogonal|olora|pissa|pissa_niter_[0-9]{1,3})$"
CHANGES_BASE = ("olora", "pissa")
"""Beginnings of the initialisations that take the adapter's first value out of the base weights."""
ModuleName = Annotated[str, Field(min_length=1, max_length=128)]
NamePattern = Annotated[str, Field(min_length=1, max_length=256)]

_CHOSEN = "[has(self.trainableLayers), has(self.trainablePatterns), has(self.embeddingsOnly) && self.embeddingsOnly]"
_TAKES_FROM_BASE = " || ".join(f"self.initLoraWeights.startsWith('{name}')" for name in CHANGES_BASE)


class FreezeOptions(ApiModel):
    """Which weights of the model stay as they are."""

    rules = (
        Rule(
            f"{_CHOSEN}.filter(chosen, chosen).size() == 1",
            "set exactly one of trainableLayers, trainablePatterns and embeddingsOnly: true",
        ),
    )

    trainable_layers: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="The last so many layers learn, with all that follows them (norm, pooler, head); of an"
        " encoder-decoder, the last of both stacks. A head that shares the embeddings' weights stays frozen.",
    )
    trainable_patterns: list[NamePattern] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Parameters that learn, by name; * and ? are wildcards: model.layers.3.*. A new head learns too.",
    )
    embeddings_only: bool | None = Field(None, description="Only the embeddings are frozen; all else learns.")


class LoRAOptions(ApiModel):
    """Low-rank adapters (PEFT's LoraConfig)."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.targetModules) || !('{ALL_LINEAR}' in self.targetModules) || self.targetModules.size() == 1",
            f"{ALL_LINEAR} already covers every linear layer; list either {ALL_LINEAR} or module names",
            field_path=".targetModules",
        ),
        Rule(
            f"!self.useDora || !({_TAKES_FROM_BASE})",
            "cannot be merged with useDora; use default, gaussian or orthogonal, or leave useDora out",
            field_path=".initLoraWeights",
        ),
        Rule(
            "self.initLoraWeights != 'orthogonal' || self.rank % 2 == 0",
            "must be even for initLoraWeights: orthogonal",
            field_path=".rank",
        ),
    )

    rank: int = Field(16, ge=1, le=1024, description="Rank r of the adapter matrices.")
    alpha: float = Field(
        32, gt=0, le=65536, description="Scale: the adapter's output is multiplied by alpha / rank (see useRslora)."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout probability on the adapter's input.")
    target_modules: list[ModuleName] = Field(
        default=[ALL_LINEAR],
        min_length=1,
        max_length=64,
        description="Names of the modules that get an adapter, or AllLinear for every linear layer but the head. Vision"
        " towers get none.",
    )
    modules_to_save: list[ModuleName] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Names of modules that learn as a whole beside the adapters, such as lm_head or embed_tokens."
        " A new head always does.",
    )
    use_dora: bool = Field(
        False, description="DoRA: also learn the length of each weight vector (slower; often better at low rank)."
    )
    use_rslora: bool = Field(False, description="rsLoRA: scale by alpha / sqrt(rank), for high ranks.")
    init_lora_weights: str = Field(
        DEFAULT_INIT,
        max_length=32,
        pattern=INIT_PATTERN,
        description="Start of the adapters, by PEFT's names: default, gaussian, orthogonal, olora, pissa, or"
        " pissa_niter_N (fast PiSSA by N subspace iterations).",
    )

    @property
    def changes_base(self) -> bool:
        """Whether the adapters' first value is taken out of the base weights, which then differ from the files'."""
        return self.init_lora_weights.startswith(CHANGES_BASE)


class QuantType(StrEnum):
    """bitsandbytes' 4-bit number formats."""

    NF4 = "nf4"
    FP4 = "fp4"


class ComputeDtype(StrEnum):
    """Number format that 4-bit weights are unpacked to for computing, by torch's names."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class MergeBase(StrEnum):
    """Weights that adapters are added to."""

    DEQUANTIZED = "Dequantized"
    ORIGINAL = "Original"


class QLoRAOptions(LoRAOptions):
    """Adapters on a base model in 4 bits (transformers' BitsAndBytesConfig)."""

    rules = (
        *LoRAOptions.rules,
        Rule(
            f"!({_TAKES_FROM_BASE})",
            "takes its start from weights in full precision; use default, gaussian or orthogonal, or method LoRA",
            field_path=".initLoraWeights",
        ),
    )

    quant_type: QuantType = Field(QuantType.NF4, description="4-bit format: nf4 suits weights better than fp4.")
    double_quantization: bool = Field(True, description="Quantise the scales too: 0.4 bits less for each weight.")
    compute_dtype: ComputeDtype | None = Field(
        None, description="Format to unpack weights to for computing. Default: that of spec.training.precision."
    )
    merge_base: MergeBase = Field(
        MergeBase.DEQUANTIZED,
        description="What the adapters are merged into: Dequantized, the 4-bit weights unpacked, which is the model"
        " that was trained; or Original, the base model's own weights. Never into 4 bits.",
    )


def _only_for(method: TuningMethod, block: str) -> Rule:
    return Rule(
        f"self.method == '{method}' || !has(self.{block})",
        f"is only for method {method}; remove the block or set spec.tuning.method: {method}",
        field_path=f".{block}",
        reason="FieldValueForbidden",
    )


class TuningSpec(ApiModel):
    """How the model is tuned."""

    rules = (
        _only_for(TuningMethod.LORA, "lora"),
        _only_for(TuningMethod.QLORA, "qlora"),
        _only_for(TuningMethod.FREEZE, "freeze"),
        Rule(
            "self.method != 'Freeze' || has(self.freeze)",
            "is needed by method Freeze: it says which weights learn, such as freeze: {trainableLayers: 2}",
            field_path=".freeze",
            reason="FieldValueRequired",
        ),
    )

    method: TuningMethod = Field(
        TuningMethod.FULL,
        description="Full tunes every weight; Freeze a part of them; LoRA trains adapters that are merged afterwards;"
        " QLoRA does so on a base model in 4 bits.",
    )
    freeze: FreezeOptions | None = Field(None, description="Options of method Freeze.")
    lora: LoRAOptions | None = Field(None, description="Options of method LoRA.")
    qlora: QLoRAOptions | None = Field(None, description="Options of method QLoRA.")

    @property
    def quantization(self) -> QLoRAOptions | None:
        """Options of method QLoRA; None for every other."""
        return (self.qlora or QLoRAOptions()) if self.method is TuningMethod.QLORA else None

    @property
    def adapter(self) -> LoRAOptions | None:
        """Options of the adapters; None where there are none."""
        return (self.lora or LoRAOptions()) if self.method is TuningMethod.LORA else self.quantization
