"""Models and tokenizers from local folders: safetensors only, never code from a repository."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_trainer.errors import BadSpec
from finetune_trainer.quantization import keep_layout, without_heads

FIELD = "spec.model.source"


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer. `fresh` names the weights that were not in the folder and start random."""

    model: Any
    tokenizer: Any
    fresh: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadPlan:
    """How to load a model: `dtype` of its weights, `seed` of those that the folder does not hold.

    `quantization` is a transformers quantization config, or None.
    """

    dtype: str
    seed: int
    quantization: Any = None


def load_tokenizer(folder: Path, **options: Any) -> Any:
    """Load the tokenizer, with a token to pad with; `options` are its own settings that differ from the folder's.

    Raises BadSpec if the folder holds none that can be loaded.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **options)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise BadSpec(f"the model's tokenizer cannot be loaded: {_first_line(error)}", FIELD) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise BadSpec("the model's tokenizer has neither a padding nor an end token; set one and upload it", FIELD)
    return tokenizer


def load_model(auto_class: Any, folder: Path, plan: LoadPlan, **options: Any) -> tuple[Any, list[str]]:
    """Load weights as `plan` says, on the CPU; return the model and the names of weights that are newly initialised.

    Raises BadSpec for a model that needs code of its own or that the class cannot load.
    """
    from transformers import set_seed

    if plan.quantization is not None:
        options["quantization_config"] = without_heads(plan.quantization, auto_class, folder, **_settings(options))
    set_seed(plan.seed)
    try:
        model, info = auto_class.from_pretrained(
            folder, dtype=plan.dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **options
        )
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise BadSpec(f"the model cannot be loaded: {_first_line(error)}", FIELD) from error
    fresh = [*info["missing_keys"], *(entry[0] for entry in info["mismatched_keys"])]
    return (model if plan.quantization is None else keep_layout(model)), sorted(fresh)


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the loading options that belong to the model's configuration."""
    return {name: value for name, value in options.items() if name != "ignore_mismatched_sizes"}


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]
