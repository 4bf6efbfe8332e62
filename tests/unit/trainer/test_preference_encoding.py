"""Prompts and answers in token ids: where the answer begins, and what is cut off."""

from pathlib import Path
from typing import Any

import pytest
from torch.nn import Module
from transformers import AutoTokenizer, PreTrainedConfig

from finetune_api.handoff import RunRequest
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.tasks import recipe_for
from finetune_trainer.tasks.language.language_modeling import load_causal
from finetune_trainer.tasks.preference.preference_recipe import load_reference
from tests.e2e.trainer.tiny_models import make_decoder
from tests.unit.trainer.odd_models import change_json

PAIR = {"prompt": "a warm film", "chosen": " with care", "rejected": " with neither wit nor care"}
MERGING = {"prompt": "a terrible sto", "chosen": "ry, told with care", "rejected": "p"}
CHAT = {
    "prompt": [{"role": "user", "content": "a warm film"}],
    "chosen": [{"role": "assistant", "content": "with care"}],
    "rejected": [{"role": "assistant", "content": "with wit"}],
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A byte-level tokenizer that knows a few words, with a chat template."""
    folder: Path = tmp_path_factory.mktemp("decoder")
    make_decoder(folder)
    return AutoTokenizer.from_pretrained(folder)


def _encode(tokenizer: Any, row: dict[str, Any], max_length: int = 64, task: str = "DPO") -> list[dict[str, Any]]:
    request = RunRequest.model_validate(
        {
            "namespace": "default",
            "name": "job",
            "uid": "uid",
            "runId": "run",
            "model": {"source": "pvc://models/base"},
            "task": task,
            "dataset": {"train": {"source": "pvc://data/train.jsonl"}},
            "output": {"destination": "pvc://out/x"},
        }
    )
    model: Any = Module()
    model.config = PreTrainedConfig(max_position_embeddings=64)
    return recipe_for(request).encode([row], Loaded(model, tokenizer), max_length)


@pytest.mark.parametrize("row", [PAIR, MERGING], ids=["apart", "merging"])
def test_prompt_and_answer_are_the_tokens_of_the_whole(tokenizer: Any, row: dict[str, str]):
    [encoded] = _encode(tokenizer, row)
    for answer in ("chosen", "rejected"):
        whole = [*tokenizer(row["prompt"] + row[answer])["input_ids"], tokenizer.eos_token_id]
        assert encoded["prompt_ids"] + encoded[f"{answer}_ids"] == whole
    assert encoded["truncated_tokens"] == 0


def test_an_answer_that_swallows_the_prompts_end_takes_it_from_both(tokenizer: Any):
    alone = tokenizer(MERGING["prompt"])["input_ids"]
    [encoded] = _encode(tokenizer, MERGING)
    assert len(encoded["prompt_ids"]) < len(alone)
    assert encoded["rejected_ids"][0] == alone[len(encoded["prompt_ids"])]


def test_a_chat_begins_its_answer_where_the_template_prompts_for_it(tokenizer: Any):
    [encoded] = _encode(tokenizer, CHAT)
    assert tokenizer.decode(encoded["prompt_ids"]) == "<|user|>a warm film</s><|assistant|>"
    assert tokenizer.decode(encoded["chosen_ids"]) == "with care</s>"


def test_long_answers_lose_their_ends_and_rows_without_room_are_left_out(tokenizer: Any):
    [whole] = _encode(tokenizer, PAIR)
    room = len(whole["prompt_ids"])
    kept = _first_difference(whole) + 1
    [cut] = _encode(tokenizer, PAIR, max_length=room + kept)
    assert (cut["chosen_ids"], cut["rejected_ids"]) == (whole["chosen_ids"][:kept], whole["rejected_ids"][:kept])
    assert cut["truncated_tokens"] == len(whole["chosen_ids"]) + len(whole["rejected_ids"]) - 2 * kept
    assert _encode(tokenizer, PAIR, max_length=room) == []


def _first_difference(row: dict[str, Any]) -> int:
    pairs = enumerate(zip(row["chosen_ids"], row["rejected_ids"], strict=False))
    return next(index for index, (chosen, rejected) in pairs if chosen != rejected)


@pytest.mark.parametrize("task", ["DPO", "ORPO"])
def test_a_pair_that_differs_beyond_the_longest_length_only_is_left_out(tokenizer: Any, task: str):
    [whole] = _encode(tokenizer, PAIR, task=task)
    alike = _first_difference(whole)
    room = len(whole["prompt_ids"]) + alike
    assert alike > 0
    assert _encode(tokenizer, PAIR, max_length=room, task=task) == []
    assert len(_encode(tokenizer, PAIR, max_length=room + 1, task=task)) == 1


def test_a_judged_answer_keeps_its_mark(tokenizer: Any):
    [encoded] = _encode(tokenizer, {"prompt": "a", "completion": " warm", "label": False}, task="KTO")
    assert encoded["label"] is False
    assert encoded["completion_ids"][-1] == tokenizer.eos_token_id


def test_a_reference_that_reads_shorter_rows_only_is_refused_and_a_misfit_is_named_by_its_field(tmp_path: Path):
    plan = LoadPlan("float32", seed=0)
    make_decoder(tmp_path / "model")
    make_decoder(tmp_path / "reference")
    change_json(tmp_path / "reference/config.json", max_position_embeddings=32)
    models = {"model": tmp_path / "model", "reference": tmp_path / "reference"}
    tuned = load_causal(tmp_path / "model", plan)
    assert load_reference(models, tuned, 0, 32).tokenizer.get_vocab() == tuned.tokenizer.get_vocab()
    with pytest.raises(BadSpec, match=r"reads at most 32 tokens .*, and rows may have 48 tokens") as refused:
        load_reference(models, tuned, 0, 48)
    assert refused.value.field == "spec.dpo.referenceModel.source"
    (tmp_path / "reference/tokenizer.json").unlink()
    with pytest.raises(BadSpec, match="the reference model: the model's tokenizer") as refused:
        load_reference(models, tuned, 0, 32)
    assert refused.value.field == "spec.dpo.referenceModel.source"
