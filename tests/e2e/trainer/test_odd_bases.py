"""Whole runs on base models whose folders hold what trips the libraries up."""

import json

import pytest
from transformers import AutoTokenizer, GenerationConfig

from tests.e2e.trainer.tiny_data import chats, reviews
from tests.e2e.trainer.tiny_models import make_encoder
from tests.e2e.trainer.trainer_process import Site
from tests.unit.trainer.odd_models import IM_END, change_json, decoder

pytestmark = pytest.mark.e2e


def test_rows_are_cut_at_what_a_roberta_without_a_stated_length_can_place(site: Site):
    folder = site.volumes / "models/roberta-without-length"
    make_encoder(folder, kind="roberta")
    change_json(folder / "tokenizer_config.json", model_max_length=None)
    rows = [{**row, "text": row["text"] + " film" * 100} for row in reviews()]
    job = site.job(
        task="SequenceClassification",
        model={"source": "pvc://models/roberta-without-length"},
        dataset={"train": {"source": site.write("train.jsonl", rows)}, "evaluation": {"fraction": 0.25}},
        training={"epochs": None, "maxSteps": 1},
    )
    output = site.run(job).succeeded().output
    assert "a row has at most 65 tokens (the model's positions)" in output
    assert "lie beyond 65 tokens (the model's positions) and were cut off" in output
    tokens = json.loads((site.published() / "evaluation.json").read_text())["data"]["tokens"]
    assert (tokens["tokensMax"], tokens["rowLimit"], tokens["rowLimitSource"]) == (65, 65, "the model's positions")
    assert AutoTokenizer.from_pretrained(site.published()).model_max_length == 65


def test_what_ends_a_turn_is_published_as_an_end_and_contradicting_settings_are_not(site: Site):
    folder = decoder(site.volumes / "models/im-end", added=["<|im_end|>"], chat_template=IM_END)
    change_json(folder / "generation_config.json", do_sample=False, temperature=0.6, min_length=60)
    job = site.job(
        task="SFT",
        model={"source": "pvc://models/im-end"},
        dataset={"train": {"source": site.write("train.jsonl", chats())}, "evaluation": {"fraction": 0.25}},
        training={"epochs": None, "maxSteps": 60, "learningRate": 1e-2},
        evaluation={"baseline": False, "maxNewTokens": 40},
    )
    output = site.run(job).succeeded().output
    assert "the base model's generation settings min_length 60, temperature 0.6 are not taken over" in output
    published = GenerationConfig.from_pretrained(site.published())
    end = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("<|im_end|>")
    assert published.eos_token_id == [2, end]
    assert (published.min_length, published.temperature) == (None, None)
    samples = json.loads((site.published() / "evaluation.json").read_text())["evaluation"]["samples"]
    assert samples
    assert all("\n" not in sample["output"] for sample in samples)
