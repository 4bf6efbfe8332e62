"""A base model in 4 bits (bitsandbytes), and back."""

from pathlib import Path
from typing import Any

from finetune_api.spec.tuning import QLoRAOptions, TuningSpec
from finetune_trainer.runtime.device import Device

WORTH_TELLING = 0.05


def quantization_config(options: QLoRAOptions, device: Device) -> Any:
    """Return transformers' BitsAndBytesConfig for the spec."""
    import torch
    from transformers import BitsAndBytesConfig

    compute = options.compute_dtype or ("bfloat16" if device.bfloat16 else "float32")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=options.quant_type.value,
        bnb_4bit_use_double_quant=options.double_quantization,
        bnb_4bit_compute_dtype=getattr(torch, compute),
    )


def without_heads(config: Any, auto_class: Any, folder: Path, **options: Any) -> Any:
    """Return `config` with the model's head left in full precision: a new head must be able to learn as a whole.

    `options` are those of the model's configuration. A model whose body has no name of its own (T5) keeps
    transformers' own choice, which is the output layer.
    """
    import copy

    import torch
    from transformers import AutoConfig

    settings = AutoConfig.from_pretrained(folder, trust_remote_code=False, **options)
    with torch.device("meta"):
        model = auto_class.from_config(settings)
    parts = [name for name, _ in model.named_children()]
    if model.base_model_prefix not in parts:
        return config
    changed = copy.copy(config)
    changed.llm_int8_skip_modules = [name for name in parts if name != model.base_model_prefix]
    return changed


def left_whole(model: Any, tuning: TuningSpec) -> list[str]:
    """Return what to tell of a mixture's experts, which are no linear modules: 4 bits and adapters pass them by."""
    experts = sum(parameter.numel() for parameter in model.parameters() if parameter.ndim == 3)
    share = experts / (size_of(model) or 1)
    if tuning.adapter is None or share < WORTH_TELLING:
        return []
    words = f"{share:.0%} of the model's weights are experts of a mixture"
    packed = ["they are not put into 4 bits, and take as much memory as with LoRA"] if tuning.quantization else []
    return [f"{words}: {'; '.join([*packed, 'AllLinear gives them no adapters'])}"]


def size_of(model: Any) -> int:
    """Return how many weights a model has; two 4-bit weights share a byte and count as two."""
    return sum(map(weights_in, model.parameters()))


def weights_in(parameter: Any) -> int:
    """Return how many weights a parameter holds, packed or not."""
    packed = getattr(parameter, "quant_state", None)
    return int(packed.shape.numel() if packed is not None else parameter.numel())


def dequantized(model: Any) -> Any:
    """Return the model with its 4-bit weights unpacked to float32, on the CPU."""
    import torch

    # Moved first: unpacked, it takes eight times the memory that the training needed for it on a GPU.
    return model.to("cpu").dequantize(dtype=torch.float32).to(dtype=torch.float32)


def keep_layout(model: Any) -> Any:
    """Return the model with its 4-bit weights kept as they are by evaluations on the CPU.

    bitsandbytes would repack them for speed at the first forward pass without gradients, and round their scales to
    bfloat16: a training that is evaluated on the way would go on with other weights.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
    return model
