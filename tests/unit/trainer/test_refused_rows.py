"""Rows that are refused after they were read are named by their file and line, and by the block that they stand in."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch.nn import Module
from transformers import AutoTokenizer, PreTrainedConfig

from finetune_api.handoff import RunRequest
from finetune_trainer.data.rows import load_rows
from finetune_trainer.errors import BadData, BadSpec
from finetune_trainer.models.loading import Loaded
from finetune_trainer.stages.refusals import HeldRows
from finetune_trainer.tasks import recipe_for
from tests.builders import merge
from tests.e2e.trainer.tiny_models import make_decoder
from tests.unit.trainer.stage_data import REQUEST, prepare, rows_of, write

ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
)
USER, REPLY = {"role": "user", "content": "What is 2?"}, {"role": "assistant", "content": "It is 2."}
GOOD, BAD = {"messages": [USER, REPLY]}, {"messages": [USER, USER, REPLY]}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A tokenizer whose template wants user and assistant in turns."""
    folder: Path = tmp_path_factory.mktemp("decoder")
    make_decoder(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = ALTERNATING
    model: Any = Module()
    model.config = PreTrainedConfig(max_position_embeddings=64)
    return Loaded(model, tokenizer)


def _lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _refusal(folder: Path, loaded: Loaded, part: str, **dataset: Any) -> BadData:
    """Return what is raised when the rows of a part are checked with the model."""
    changes = {"task": "SFT", "dataset": {"train": {"source": "pvc://data/a.jsonl"}, **dataset}}
    record, workspace = prepare(folder, **changes)
    request = RunRequest.model_validate(merge(REQUEST, changes))
    files = {"train": record.train_file, "evaluation": record.evaluation_file, "test": record.test_file or ""}
    held = HeldRows(load_rows(workspace.path(files[part])), request.dataset, part)
    with pytest.raises(BadData) as refused:
        held.check(recipe_for(request), loaded, 64)
    return refused.value


@pytest.mark.parametrize("part", ["evaluation", "test"])
def test_a_chat_that_the_template_refuses_is_named_with_its_own_file(part: str, loaded: Loaded, tmp_path: Path):
    write(tmp_path, "a.jsonl", _lines(*[GOOD] * 4))
    write(tmp_path, "b.jsonl", _lines(GOOD, GOOD, BAD, GOOD, BAD))
    own = {"source": "pvc://data/b.jsonl", **({"fraction": None} if part == "evaluation" else {})}
    error = _refusal(tmp_path, loaded, part, **{part: own})
    assert error.message.startswith("pvc://data/b.jsonl: 2 of 5 rows cannot be used: line 3: found [")
    assert "which the model's chat template refuses: roles must alternate" in error.message
    assert "; line 5: found [" in error.message
    assert error.field == f"spec.dataset.{part}.source"


def test_rows_keep_their_places_when_they_are_shuffled_and_split(loaded: Loaded, tmp_path: Path):
    write(tmp_path, "a/1.jsonl", _lines(*[GOOD] * 3))
    write(tmp_path, "a/2.jsonl", _lines(GOOD, BAD, *[GOOD] * 6))
    messages = []
    for part in ("train", "evaluation"):
        try:
            messages.append(_refusal(tmp_path, loaded, part, train={"source": "pvc://data/a/*.jsonl"}))
        except pytest.fail.Exception:
            continue
    assert len(messages) == 1, "the row is either learnt from or held out"
    assert "pvc://data/a/*.jsonl: 1 of " in messages[0].message
    assert "rows cannot be used: pvc://data/a/2.jsonl line 2: found" in messages[0].message
    assert messages[0].field == "spec.dataset.train.source"


def test_a_row_that_the_template_cannot_tell_of_is_named(loaded: Loaded, tmp_path: Path):
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    calling = {"messages": [USER, {"role": "assistant", "content": "a", "tool_calls": [call]}]}
    write(tmp_path, "a.jsonl", _lines(*[GOOD] * 4))
    write(tmp_path, "b.jsonl", _lines(GOOD, calling))
    evaluation = {"source": "pvc://data/b.jsonl", "fraction": None}
    with pytest.raises(BadSpec, match=r"^pvc://data/b.jsonl line 2: the data has tool_calls, which") as refused:
        _refusal(tmp_path, loaded, "evaluation", evaluation=evaluation)
    assert refused.value.field == "spec.model.source"


SURROGATES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a text": ("SequenceClassification", "text", {"text": "a warm \ud83d", "label": "good"}),
    "a label": ("SequenceClassification", "label", {"text": "a warm film", "label": "good \ud83d"}),
    "a chat": ("SFT", "messages", {"messages": [USER, {"role": "assistant", "content": "fine \udc4d"}]}),
    "a prompt": ("SFT", "prompt", {"prompt": "a \ud83d", "completion": "b"}),
    "an answer": ("DPO", "rejected", {"prompt": "a", "chosen": "b", "rejected": "c \ud83d"}),
    "a word": ("TokenClassification", "tokens", {"tokens": ["a\ud83d"], "tags": ["B-PER"]}),
    "a target": ("Seq2Seq", "target", {"source": "a", "target": "b \ud83d"}),
}


@pytest.mark.parametrize("ending", ["jsonl", "json"])
@pytest.mark.parametrize("case", SURROGATES)
def test_half_of_a_character_is_refused_with_its_line(case: str, ending: str, tmp_path: Path):
    task, column, row = SURROGATES[case]
    content = _lines(row) if ending == "jsonl" else f"[{json.dumps(row)}]"
    write(tmp_path, f"a.{ending}", content)
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, task=task, dataset={"train": {"source": f"pvc://data/a.{ending}"}})
    assert f"line 1, column '{column}': found half of a character, \\ud" in refused.value.message
    refused.value.message.encode()


def test_half_of_a_character_that_nobody_reads_does_no_harm(tmp_path: Path):
    rows = [{"text": f"film {n}", "label": label, "id": "\ud83d"} for n, label in enumerate(["good", "bad"])]
    write(tmp_path, "a.jsonl", _lines(*rows))
    assert len(rows_of(tmp_path, dataset={"train": {"source": "pvc://data/a.jsonl"}})) == len(rows)


def test_a_message_about_half_of_a_character_can_be_printed(tmp_path: Path):
    write(tmp_path, "a.jsonl", _lines({"text": "a", "label": ["\ud83d"]}, {"text": 5, "label": "\ud83d \n"}))
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, dataset={"train": {"source": "pvc://data/a.jsonl"}})
    refused.value.message.encode()
