"""How many tokens a model takes: all that it can place, whatever its tokenizer says."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

from finetune_trainer.models.limits import published_length, usable_length
from finetune_trainer.models.loading import Loaded
from finetune_trainer.tasks.language.generation import complete

SILENT = SimpleNamespace(model_max_length=int(1e30))
SHAPE = {"vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
PARTS = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "vocab_size": 40}
BOTH = {**PARTS, "decoder_attention_heads": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "pad_token_id": 1}
TABLES: dict[str, tuple[str, dict[str, Any], int]] = {
    "BERT": ("Bert", {**SHAPE, "max_position_embeddings": 32}, 32),
    "RoBERTa, whose positions begin behind the padding": (
        "Roberta",
        {**SHAPE, "max_position_embeddings": 34, "pad_token_id": 1},
        32,
    ),
    "RoBERTa that pads with its first token": (
        "Roberta",
        {**SHAPE, "max_position_embeddings": 34, "pad_token_id": 0},
        33,
    ),
    "MPNet": ("MPNet", {**SHAPE, "max_position_embeddings": 34}, 32),
    "GPT-2": ("GPT2", {"vocab_size": 40, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 32}, 32),
    "OPT, whose table has two places more": (
        "OPT",
        {**SHAPE, "ffn_dim": 8, "word_embed_proj_dim": 8, "max_position_embeddings": 32},
        32,
    ),
    "BART": ("Bart", {**BOTH, "max_position_embeddings": 32}, 32),
    "Marian": ("Marian", {**BOTH, "max_position_embeddings": 32, "decoder_start_token_id": 1}, 32),
}


def _made(kind: str, settings: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**settings)
    return getattr(transformers, f"{kind}Model")(config).eval()


def _read(model: Any, length: int) -> None:
    ids = torch.full((1, length), 5)
    with torch.no_grad():
        model(input_ids=ids, **({"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}))


@pytest.mark.parametrize("case", TABLES)
def test_a_model_takes_what_it_can_place_and_not_a_token_more(case: str):
    kind, settings, wanted = TABLES[case]
    model = _made(kind, settings)
    length = usable_length(model, SILENT, 512)
    assert (length.tokens, length.bound) == (wanted, "the model's positions")
    _read(model, wanted)
    with pytest.raises((IndexError, RuntimeError)):
        _read(model, wanted + 1)


FREE: dict[str, tuple[str, dict[str, Any]]] = {
    "T5": ("T5", {"vocab_size": 40, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}),
    "XLNet, which says -1": ("XLNet", {"vocab_size": 40, "d_model": 8, "n_layer": 1, "n_head": 2, "d_inner": 8}),
}


@pytest.mark.parametrize("case", FREE)
def test_a_model_without_positions_takes_what_is_wished_whatever_its_tokenizer_says(case: str):
    kind, settings = FREE[case]
    model, tokenizer = _made(kind, settings), SimpleNamespace(model_max_length=16)
    assert str(usable_length(model, tokenizer, 48)) == "48 tokens (spec.training.maxLength)"
    _read(model, 48)
    assert str(usable_length(model, tokenizer)) == "16 tokens (the tokenizer's model_max_length)"
    assert usable_length(model, SILENT).tokens == 1_048_576
    assert published_length(model, tokenizer, 48) == 48
    assert published_length(model, tokenizer, 8) == 16
    for nothing in (None, -1, SILENT.model_max_length):
        assert published_length(model, SimpleNamespace(model_max_length=nothing), 48) == int(1e30)


@pytest.mark.parametrize("stated", [16, 64, -1, 0, None, int(1e30)])
def test_a_tokenizers_length_above_or_below_the_models_does_not_count(stated: int | None):
    model, tokenizer = _made("Bert", {**SHAPE, "max_position_embeddings": 32}), SimpleNamespace(model_max_length=stated)
    assert usable_length(model, tokenizer, 24).tokens == 24
    assert usable_length(model, tokenizer, 48).tokens == usable_length(model, tokenizer).tokens == 32
    assert published_length(model, tokenizer, 48) == 32


def test_a_longer_wish_is_no_remedy_where_the_model_is_too_short():
    model = _made("Bert", {**SHAPE, "max_position_embeddings": 32})
    assert usable_length(model, SILENT, 24).remedy == "raise spec.training.maxLength, or shorten the rows"
    assert "maxLength" not in usable_length(model, SILENT, 48).remedy


def test_the_sides_of_an_encoder_decoder_have_limits_of_their_own():
    settings = {**BOTH, "max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 32}
    model = _made("LED", {**settings, "attention_window": [8]})
    assert [usable_length(model, SILENT, 512, side).tokens for side in ("encoder", "decoder", None)] == [64, 32, 32]


@pytest.mark.parametrize(("prompt", "new"), [(4, 8), (4, 500), (500, 8), (500, 500), (31, 8)])
def test_samples_stay_within_what_the_model_can_place(prompt: int, new: int):
    torch.manual_seed(0)
    model: Any = transformers.GPT2LMHeadModel(transformers.GPT2Config(**TABLES["GPT-2"][1], eos_token_id=None))
    seen: list[int] = []
    model.register_forward_pre_hook(
        lambda _module, _args, kwargs: seen.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    written: list[int] = []
    tokenizer = SimpleNamespace(
        pad_token_id=0, model_max_length=int(1e30), decode=lambda ids, **_: str(written.extend(ids.tolist()))
    )
    complete(Loaded(model, tokenizer), [5] * prompt, new)
    assert 1 <= len(written) <= new
    assert seen[0] + len(written) <= 32
    assert seen[0] == min(prompt, 32 - min(new, 16))
