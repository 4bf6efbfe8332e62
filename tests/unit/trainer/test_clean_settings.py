"""What a base model's authors set for their own purpose does not act on, or hinder, a model that is tuned from it."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, GenerationConfig

from finetune_trainer.errors import BadSpec
from finetune_trainer.models.loading import Loaded, load_tokenizer
from finetune_trainer.serving.engines.encoder_decoder import EncoderDecoder
from finetune_trainer.serving.engines.language import LanguageModel
from finetune_trainer.serving.engines.loading import load_model
from finetune_trainer.serving.engines.sampling import Sampling
from finetune_trainer.tasks import recipe_for
from finetune_trainer.tasks.chats.prompts import prompt_and_completion_ids, prompt_ids, text_ids
from finetune_trainer.tasks.language.encoder_decoder import load_encoder_decoder
from finetune_trainer.tasks.language.generation import complete
from finetune_trainer.tasks.language.language_modeling import load_causal
from finetune_trainer.tasks.text.truncation import cut_texts
from tests.e2e.trainer.tiny_models import make_decoder, make_encoder, make_encoder_decoder
from tests.unit.trainer.odd_models import PLAN, change_json, decoder_that_adds_ends, generation, marian, request_of

SUMMARIES = {"min_length": 56, "max_length": 142, "num_beams": 4, "early_stopping": True, "length_penalty": 2.0}
WRITING = {"repetition_penalty": 5.0, "no_repeat_ngram_size": 1, "min_new_tokens": 20, "num_beams": 3, "max_length": 99}
CONTRADICTING = {"do_sample": False, "temperature": 0.6, "top_p": 0.9}


@pytest.mark.parametrize("place", ["generation_config.json", "config.json"])
def test_the_search_of_an_encoder_decoder_is_the_specs(tmp_path: Path, place: str):
    make_encoder_decoder(tmp_path)
    if place == "config.json":
        (tmp_path / "generation_config.json").unlink()
    change_json(tmp_path / place, **SUMMARIES)
    change_json(tmp_path / "config.json", task_specific_params={"summarization": SUMMARIES})
    [note] = load_encoder_decoder(tmp_path, PLAN).notes
    for name, value in SUMMARIES.items():
        assert f"{name} {value}" in note
    loaded = recipe_for(request_of("Seq2Seq", seq2Seq={"numBeams": 2, "maxNewTokens": 9})).load(tmp_path, PLAN, ())
    loaded.model.save_pretrained(tmp_path / "out")
    tokens = {"decoder_start_token_id": 0, "eos_token_id": 2, "pad_token_id": 0}
    assert generation(tmp_path / "out") == {**tokens, "num_beams": 2, "max_new_tokens": 9}
    assert "min_length" not in (tmp_path / "out/config.json").read_text()


def test_the_specs_search_is_published_and_contradictions_are_found_at_once(tmp_path: Path):
    make_encoder_decoder(tmp_path)
    search = {"numBeams": 3, "minNewTokens": 2, "lengthPenalty": 0.5, "noRepeatNgramSize": 3, "maxNewTokens": 9}
    loaded = recipe_for(request_of("Seq2Seq", seq2Seq=search)).load(tmp_path, PLAN, ())
    loaded.model.save_pretrained(tmp_path / "out")
    published = generation(tmp_path / "out")
    assert (published["num_beams"], published["min_new_tokens"], published["length_penalty"]) == (3, 2, 0.5)
    assert (published["no_repeat_ngram_size"], published["max_new_tokens"]) == (3, 9)
    with pytest.raises(BadSpec, match="length_penalty"):
        recipe_for(request_of("Seq2Seq", seq2Seq={"lengthPenalty": 0.5})).load(tmp_path, PLAN, ())


@pytest.mark.parametrize("temperature", [0, 1])
def test_the_server_writes_by_the_specs_search_and_as_long(tmp_path: Path, temperature: int):
    make_encoder_decoder(tmp_path)
    search = {"numBeams": 3, "minNewTokens": 20, "lengthPenalty": 0.5, "noRepeatNgramSize": 2, "maxNewTokens": 100}
    loaded = recipe_for(request_of("Seq2Seq", seq2Seq=search)).load(tmp_path, PLAN, ())
    for part in (loaded.model, loaded.tokenizer):
        part.save_pretrained(tmp_path / "out")
    served = load_model(tmp_path / "out")
    assert isinstance(served, EncoderDecoder)
    ids = served.encode_prompt("a warm film")
    room = served.room(len(ids), 500, "prompt")
    assert (room, loaded.tokenizer.model_max_length) == (100, 64)
    text: list[str] = []
    outcome = served.generate(ids, Sampling(room, temperature, seed=1), text.append, threading.Event())
    assert outcome.completion_tokens >= 20
    if temperature == 0:
        [wanted] = loaded.model.generate(torch.tensor([ids])).tolist()
        assert "".join(text) == loaded.tokenizer.decode(wanted, skip_special_tokens=True)


def test_tokens_of_the_vocabulary_stay(tmp_path: Path):
    folder = marian(tmp_path / "marian")
    before = GenerationConfig.from_pretrained(folder)
    loaded = load_encoder_decoder(folder, PLAN)
    after = loaded.model.generation_config
    assert loaded.notes == ()
    for name in ("bad_words_ids", "forced_eos_token_id", "decoder_start_token_id", "pad_token_id", "eos_token_id"):
        assert getattr(after, name) == getattr(before, name) is not None


@pytest.mark.parametrize("settings", [WRITING, CONTRADICTING, SUMMARIES])
def test_a_decoder_writes_and_is_saved_as_if_its_base_had_no_settings(tmp_path: Path, settings: dict[str, Any]):
    make_decoder(tmp_path / "plain")
    make_decoder(tmp_path / "set")
    change_json(tmp_path / "set/generation_config.json", **settings)
    plain, changed = (load_causal(tmp_path / name, PLAN) for name in ("plain", "set"))
    assert (plain.notes, len(changed.notes)) == ((), 1)
    ids = prompt_ids("a warm film", plain.tokenizer)
    assert complete(changed, ids, 24) == complete(plain, ids, 24)
    changed.model.save_pretrained(tmp_path / "out")
    assert generation(tmp_path / "out") == generation(tmp_path / "plain")


def test_how_the_base_samples_is_published_but_not_used_for_samples(tmp_path: Path):
    make_decoder(tmp_path)
    plain = complete(load_causal(tmp_path, PLAN), [5, 6], 24)
    sampling = {"do_sample": True, "temperature": 1.7, "top_p": 0.9}
    change_json(tmp_path / "generation_config.json", **sampling)
    loaded = load_causal(tmp_path, PLAN)
    assert [complete(loaded, [5, 6], 24) for _ in range(2)] == [plain] * 2
    loaded.model.save_pretrained(tmp_path / "out")
    assert sampling.items() <= generation(tmp_path / "out").items()


def test_an_end_token_that_cannot_be_written_is_left_out(tmp_path: Path):
    make_decoder(tmp_path)
    change_json(tmp_path / "generation_config.json", eos_token_id=[50256, 2], pad_token_id=50256)
    settings = load_causal(tmp_path, PLAN).model.generation_config
    assert (settings.eos_token_id, settings.pad_token_id) == (2, 0)


def test_a_tokenizer_that_would_cut_off_the_beginning_cuts_off_the_end(tmp_path: Path):
    make_encoder(tmp_path)
    text = "a warm and funny film that never loses its way"
    [wanted] = cut_texts([text], load_tokenizer(tmp_path), 8)
    change_json(tmp_path / "tokenizer_config.json", truncation_side="left")
    tokenizer = load_tokenizer(tmp_path)
    assert cut_texts([text], tokenizer, 8) == [wanted]
    tokenizer.save_pretrained(tmp_path / "out")
    assert AutoTokenizer.from_pretrained(tmp_path / "out").truncation_side == "right"


def test_batches_of_encoders_are_filled_up_at_the_end_and_a_decoders_published_side_is_its_own(tmp_path: Path):
    make_encoder(tmp_path / "encoder")
    make_decoder(tmp_path / "decoder")
    for name in ("encoder", "decoder"):
        change_json(tmp_path / name / "tokenizer_config.json", padding_side="left")
    assert load_tokenizer(tmp_path / "encoder").padding_side == "right"
    assert load_causal(tmp_path / "decoder", PLAN).tokenizer.padding_side == "left"


@pytest.mark.parametrize("bos", [True, False])
def test_prompts_do_not_end_with_the_end_token_that_a_tokenizer_adds(tmp_path: Path, bos: bool):
    folder = decoder_that_adds_ends(tmp_path / "model", bos)
    raw, tokenizer = AutoTokenizer.from_pretrained(folder), load_causal(folder, PLAN).tokenizer
    words = raw("a warm film", add_special_tokens=False)["input_ids"]
    begun = [1, *words] if bos else words
    assert raw("a warm film")["input_ids"] == [*begun, 2]
    tokenizer.save_pretrained(tmp_path / "out")
    for one in (raw, tokenizer, AutoTokenizer.from_pretrained(tmp_path / "out")):
        assert prompt_ids("a warm film", one) == begun
        assert text_ids("a warm film", one) == [*begun, 2]
        prompt, completion = prompt_and_completion_ids("a warm", " film", one)
        assert [*prompt, *completion] == [*begun, 2]
        assert prompt == prompt_ids("a warm", one)
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("a warm film")["input_ids"] == begun
    served = load_model(folder)
    assert isinstance(served, LanguageModel)
    assert served.encode_prompt("a warm film") == begun


def test_an_end_token_in_the_prompts_own_text_stays(tmp_path: Path):
    folder = decoder_that_adds_ends(tmp_path / "model")
    assert prompt_ids("film</s>", AutoTokenizer.from_pretrained(folder))[-1] == 2
    assert prompt_ids("", AutoTokenizer.from_pretrained(folder)) == [1]


def test_targets_end_with_the_end_token_even_if_the_tokenizer_adds_none(tmp_path: Path):
    make_encoder_decoder(tmp_path / "model")
    make_decoder(tmp_path / "decoder")
    adding = load_encoder_decoder(tmp_path / "model", PLAN)
    silent = Loaded(adding.model, load_tokenizer(tmp_path / "decoder"))
    recipe = recipe_for(request_of("Seq2Seq"))
    rows = [{"source": "a warm film", "target": "with care"}]
    [wanted], [found] = recipe.encode(rows, adding, 64), recipe.encode(rows, silent, 64)
    assert wanted["labels"][-1] == 2
    assert found["labels"] == wanted["labels"]
