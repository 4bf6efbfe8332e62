"""Low-rank adapters: put onto a model, saved, and merged into full-precision weights."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from finetune_api.spec.training import TrainingSpec
from finetune_api.spec.tuning import ALL_LINEAR, DEFAULT_INIT, LoRAOptions
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.loading import Loaded
from finetune_trainer.models.text_part import outside_of_text

SHOWN_NAMES = 20
INITIAL = "initial"


def attach(loaded: Loaded, options: LoRAOptions, block: str, training: TrainingSpec, task_type: str) -> Any:
    """Return the model with adapters that start by the seed. Weights that the base lacks (a new head) learn whole.

    `block` is the options' place in the spec. Raises BadSpec if the model has no module of a name in targetModules
    or modulesToSave.
    """
    from peft import get_peft_model
    from transformers import set_seed

    _expect_modules(loaded.model, options.modules_to_save or [], f"{block}.modulesToSave")
    config = _lora_config(loaded, options, task_type)
    set_seed(training.seed)
    try:
        model = get_peft_model(loaded.model, config)
    except ValueError as error:
        if ALL_LINEAR not in options.target_modules:
            _expect_modules(loaded.model, options.target_modules, f"{block}.targetModules")
        raise BadSpec(f"{block}: the model cannot have these adapters: {error}", f"{block}.targetModules") from error
    if training.gradient_checkpointing:
        # Otherwise no gradient reaches the adapters: everything before them is frozen.
        model.enable_input_require_grads()
    return model


def save(model: Any, folder: Path) -> None:
    """Write the adapters as an ordinary LoRA on the untouched base, whatever they started from."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import load_file, save_file

    initial = folder / INITIAL
    if not initial.exists():
        model.save_pretrained(folder)
        return
    # PEFT's conversion leaves out the modules that learnt as a whole.
    state = get_peft_model_state_dict(model)
    whole = {name: value.detach().cpu().clone() for name, value in state.items() if ".lora_" not in name}
    model.save_pretrained(folder, path_initial_model_for_weight_conversion=str(initial))
    weights = folder / "adapter_model.safetensors"
    save_file({**load_file(weights), **whole}, weights, metadata={"format": "pt"})


def save_start(model: Any, folder: Path) -> None:
    """Keep the adapters' first value, which was taken out of the base weights (PiSSA, OLoRA)."""
    from peft import PeftModel

    assert isinstance(model, PeftModel)
    config = model.peft_config["default"]
    chosen, config.init_lora_weights = config.init_lora_weights, True
    model.save_pretrained(folder / INITIAL)
    config.init_lora_weights = chosen


def put_onto(base: Any, adapter: Path) -> Any:
    """Return `base`, in float32, with the saved adapters beside its weights."""
    from peft import PeftModel

    return PeftModel.from_pretrained(base, adapter)


def _lora_config(loaded: Loaded, options: LoRAOptions, task_type: str) -> Any:
    from peft import LoraConfig

    kept = sorted({*_new_modules(loaded), *(options.modules_to_save or [])})
    return LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules="all-linear" if ALL_LINEAR in options.target_modules else list(options.target_modules),
        exclude_modules=outside_of_text(loaded.model),
        modules_to_save=kept or None,
        use_dora=options.use_dora,
        use_rslora=options.use_rslora,
        init_lora_weights=True if options.init_lora_weights == DEFAULT_INIT else options.init_lora_weights,
        # Otherwise a shared head would keep the old embeddings when these learn as a whole.
        ensure_weight_tying=bool(options.modules_to_save and loaded.model.config.tie_word_embeddings),
        task_type=task_type,
    )


def _new_modules(loaded: Loaded) -> list[str]:
    """Return the modules whose weights are fresh: a whole head by its first name, as PEFT names heads itself."""
    inside = f"{loaded.model.base_model_prefix}."
    parents = {name.rpartition(".")[0] for name in loaded.fresh}
    return sorted({name if name.startswith(inside) else name.partition(".")[0] for name in parents})


def _expect_modules(model: Any, wanted: Iterable[str], field: str) -> None:
    """Raise BadSpec naming those of the wanted modules that the model does not have."""
    names = [name for name, _ in model.named_modules() if name]
    missing = [want for want in wanted if not any(name == want or name.endswith(f".{want}") for name in names)]
    if missing:
        short = sorted({name.rsplit(".", 1)[-1] for name in names if not name.rsplit(".", 1)[-1].isdigit()})
        raise BadSpec(
            f"{field}: {', '.join(missing)} matches no module of the model; it has {', '.join(short[:SHOWN_NAMES])}",
            field,
        )
