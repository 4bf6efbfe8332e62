"""How a tuned model writes: begun from clean settings, not from what its base's authors set for another purpose."""

from collections.abc import Iterable
from typing import Any

from finetune_trainer.models.vocabulary import embedding_rows

TOKENS = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "bad_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
)
"""What belongs to the vocabulary, and stays."""
SAMPLING = ("do_sample", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
"""What servers sample by when a request says nothing; stays where the base samples at all."""
COMPUTING = ("use_cache", "cache_implementation", "cache_config", "return_dict_in_generate", "transformers_version")


def begin_clean(model: Any, tokenizer: Any, ends: Iterable[int | None] = ()) -> tuple[str, ...]:
    """Take out of the model's generation config all that shapes or bounds what it writes; return what to tell of it.

    Lengths, beams and penalties are the spec's. `ends` are tokens that end a text, beside those that the model and its
    tokenizer name.
    """
    config = model.generation_config
    kept = (*TOKENS, *COMPUTING, *(SAMPLING if config.do_sample else ()))
    dropped = {}
    for name, value in vars(config).copy().items():
        if name.startswith(("_", "output_")) or name in kept or value is None:
            continue
        if not _is_neutral(name, value):
            dropped[name] = value
        setattr(config, name, None)
    _name_ends(config, model, tokenizer, ends)
    if not dropped:
        return ()
    listed = ", ".join(f"{name} {value}" for name, value in sorted(dropped.items()))
    return (f"the base model's generation settings {listed} are not taken over, nor published",)


def clean_config(model: Any) -> None:
    """Take generation settings out of the model's own config, where old models have them: it could not be saved."""
    for config in (model.config, model.config.get_text_config()):
        for name in config._get_generation_parameters():
            delattr(config, name)
        if getattr(config, "task_specific_params", None):
            config.task_specific_params = None


def _is_neutral(name: str, value: Any) -> bool:
    from transformers import GenerationConfig

    return bool(value == GenerationConfig._get_default_generation_params().get(name)) or value is False


def _name_ends(config: Any, model: Any, tokenizer: Any, ends: Iterable[int | None]) -> None:
    """Let all that ends a text end it, if the model can write it, and let padding be the tokenizer's."""
    rows = embedding_rows(model)
    named = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    known = [
        token
        for token in dict.fromkeys([*named, tokenizer.eos_token_id, *ends])
        if token is not None and 0 <= token < (rows or token + 1)
    ]
    config.eos_token_id = known[0] if len(known) == 1 else known or None
    if config.pad_token_id is None or not 0 <= config.pad_token_id < (rows or config.pad_token_id + 1):
        config.pad_token_id = tokenizer.pad_token_id
