"""Which weights learn: all of them, or low-rank adapters that are merged into the model afterwards."""

from pathlib import Path
from typing import Any

from finetune_api.training import TrainingSpec
from finetune_api.tuning import LoRAOptions, TuningMethod, TuningSpec
from finetune_trainer.device import Device
from finetune_trainer.errors import BadSpec
from finetune_trainer.loading import Loaded

ALL_LINEAR = "AllLinear"
TARGETS_FIELD = "spec.tuning.lora.targetModules"


def training_dtype(tuning: TuningSpec, device: Device) -> str:
    """Return the number format to hold weights in: float32 for those that learn, bfloat16 for frozen ones on GPUs."""
    frozen = tuning.method is TuningMethod.LORA
    return "bfloat16" if frozen and device.bfloat16 and device.name == "cuda" else "float32"


def prepare(loaded: Loaded, tuning: TuningSpec, training: TrainingSpec, task_type: str) -> Any:
    """Return the model with the weights that `tuning` names set to learn; adapters start by the seed.

    Weights that the base model does not have (a new head) learn as a whole.

    Raises BadSpec if no module has one of the names in targetModules.
    """
    if tuning.method is TuningMethod.FULL:
        return loaded.model
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    options = tuning.lora or LoRAOptions()
    set_seed(training.seed)
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules="all-linear" if ALL_LINEAR in options.target_modules else list(options.target_modules),
        modules_to_save=_new_modules(loaded) or None,
        task_type=task_type,
    )
    try:
        model = get_peft_model(loaded.model, config)
    except ValueError as error:
        names = sorted({name.rsplit(".", 1)[-1] for name, _ in loaded.model.named_modules() if name})
        raise BadSpec(
            f"{TARGETS_FIELD}: {', '.join(options.target_modules)} matches no module of the model that can have an"
            f" adapter; it has {', '.join(names[:20])}",
            TARGETS_FIELD,
        ) from error
    if training.gradient_checkpointing:
        # Otherwise no gradient reaches the adapters: everything before them is frozen.
        model.enable_input_require_grads()
    return model


def _new_modules(loaded: Loaded) -> list[str]:
    """Return the modules whose weights are fresh: a whole head by its first name, as PEFT names heads itself."""
    inside = f"{loaded.model.base_model_prefix}."
    parents = {name.rpartition(".")[0] for name in loaded.fresh}
    return sorted({name if name.startswith(inside) else name.partition(".")[0] for name in parents})


def count_parameters(model: Any) -> tuple[int, int]:
    """Return how many parameters learn, and how many there are."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(count for count, learns in counts if learns), sum(count for count, _ in counts)


def merge_adapter(base: Any, adapter: Path) -> Any:
    """Return `base`, loaded in float32, with the adapter's weights added to its own."""
    from peft import PeftModel

    return PeftModel.from_pretrained(base, adapter).merge_and_unload()
