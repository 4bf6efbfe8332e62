"""Models and tokenizers from local folders: safetensors only, never code from a repository."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_trainer.errors import BadSpec, TrainerError
from finetune_trainer.log import say
from finetune_trainer.models.generation_settings import clean_config
from finetune_trainer.models.quantization import keep_layout, without_heads
from finetune_trainer.models.vocabulary import check_padding, check_vocabulary

FIELD = "spec.model.source"


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer. `fresh` names the weights that were not in the folder and start random.

    `notes` say what of the folder's settings is used otherwise than it says, `chat_notes` what matters for chats only.
    """

    model: Any
    tokenizer: Any
    fresh: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    chat_notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadPlan:
    """How to load a model: `dtype` of its weights, `seed` of those that the folder does not hold.

    `quantization` is a transformers quantization config, or None.
    """

    dtype: str
    seed: int
    quantization: Any = None


def load_tokenizer(folder: Path, padding_side: str | None = "right", **options: Any) -> Any:
    """Load the tokenizer, with a token to pad with; what is too long loses its end, whatever the folder says.

    `padding_side` is where batches are filled up, None for the folder's own choice; `options` are other settings that
    differ from the folder's. Raises BadSpec if it holds no tokenizer that can be loaded.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **options)
    except TrainerError:
        raise
    except Exception as error:  # The tokenizers' libraries have no class of their own for files that they cannot read.
        raise BadSpec(f"the model's tokenizer cannot be loaded: {_first_line(error)}", FIELD) from error
    if tokenizer.truncation_side != "right":
        tokenizer.truncation_side = "right"
        say("model", "the folder's tokenizer cuts off the beginning of long texts; here, and published, it is the end")
    tokenizer.padding_side = padding_side or tokenizer.padding_side
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise BadSpec("the model's tokenizer has neither a padding nor an end token; set one and upload it", FIELD)
    return tokenizer


def load_model(auto_class: Any, folder: Path, plan: LoadPlan, tokenizer: Any, **options: Any) -> tuple[Any, list[str]]:
    """Load weights as `plan` says, on the CPU; return the model and the names of weights that are newly initialised.

    Raises BadSpec for a model that needs code of its own, that the class cannot load, or that has no embeddings for
    some of the tokenizer's tokens.
    """
    from transformers import set_seed

    check_padding(read_config(folder), FIELD)
    if plan.quantization is not None:
        options["quantization_config"] = without_heads(plan.quantization, auto_class, folder, **_settings(options))
    set_seed(plan.seed)
    try:
        model, info = auto_class.from_pretrained(
            folder, dtype=plan.dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **options
        )
    except (OSError, ValueError, ImportError, RuntimeError, KeyError, AssertionError, AttributeError) as error:
        raise BadSpec(f"the model cannot be loaded: {_first_line(error)}", FIELD) from error
    check_vocabulary(model, tokenizer, FIELD)
    clean_config(model)
    fresh = [*info["missing_keys"], *(entry[0] for entry in info["mismatched_keys"])]
    return (model if plan.quantization is None else keep_layout(model)), sorted(fresh)


def read_config(folder: Path) -> Any:
    """Return the model's configuration. Raises BadSpec if it is of no kind that transformers knows."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, ImportError, KeyError, AttributeError, TypeError) as error:
        raise BadSpec(f"the model cannot be loaded: {_first_line(error)}", FIELD) from error


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the loading options that belong to the model's configuration."""
    return {name: value for name, value in options.items() if name != "ignore_mismatched_sizes"}


def _first_line(error: Exception) -> str:
    words = str(error).strip().split("\n")[0][:300]
    return words or type(error).__name__
