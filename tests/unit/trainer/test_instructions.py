"""Instructions, questions, systems, histories and weights: what a row says is learnt, or told to be left out."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch.nn import Module
from transformers import AutoTokenizer, PreTrainedConfig

from finetune_api.handoff import RunRequest
from finetune_trainer.errors import BadData
from finetune_trainer.models.loading import Loaded
from finetune_trainer.tasks import recipe_for
from finetune_trainer.tasks.chats.instructions import asking_notes
from tests.builders import merge
from tests.e2e.trainer.tiny_models import make_decoder
from tests.unit.trainer.stage_data import REQUEST, prepare, rows_of, write

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
MARKED = TEMPLATE.replace(
    "{{ m.content }}</s>",
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}</s>{% endgeneration %}"
    "{% else %}{{ m.content }}</s>{% endif %}",
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A byte-level tokenizer."""
    folder: Path = tmp_path_factory.mktemp("decoder")
    make_decoder(folder)
    return AutoTokenizer.from_pretrained(folder)


def _changes(task: str, **changes: Any) -> dict[str, Any]:
    options = {"grpo": {"rewardFunctions": [{"name": "json", "type": "JSON"}]}} if task == "GRPO" else {}
    return merge({"task": task, "dataset": {"train": {"source": "pvc://data/a.jsonl"}}}, {**options, **changes})


def _write(folder: Path, *rows: dict[str, Any]) -> None:
    write(folder, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def _encoded(
    folder: Path, tokenizer: Any, template: str | None, row: dict[str, Any], task: str = "SFT", **changes: Any
) -> dict[str, Any]:
    """Return a row of the file as the model is to learn it."""
    _write(folder, row, row)
    asked = _changes(task, **changes)
    parsed = rows_of(folder, **asked)[0]
    tokenizer.chat_template = template
    model: Any = Module()
    model.config = PreTrainedConfig(max_position_embeddings=512)
    recipe = recipe_for(RunRequest.model_validate(merge(REQUEST, asked)))
    [encoded] = recipe.encode([parsed], Loaded(model, tokenizer), 512)
    return encoded


def _learnt(tokenizer: Any, encoded: dict[str, Any]) -> tuple[str, str]:
    """Return the whole text of an encoded row, and the part that counts."""
    counted = [label for label in encoded["labels"] if label >= 0]
    return tokenizer.decode(encoded["input_ids"]), tokenizer.decode(counted)


ROWS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a question with its answer": (
        {"question": "Why?", "answer": "So."},
        "<user>Why?</s><assistant>",
        "### Instruction:\nWhy?\n\n### Response:\n",
    ),
    "an instruction without an input": (
        {"instruction": "Say it.", "input": "", "output": "So."},
        "<user>Say it.</s><assistant>",
        "### Instruction:\nSay it.\n\n### Response:\n",
    ),
    "an instruction with an input": (
        {"instruction": "Translate.", "input": "Haus", "output": "So."},
        "<user>Translate.\n\nHaus</s><assistant>",
        "### Instruction:\nTranslate.\n\n### Input:\nHaus\n\n### Response:\n",
    ),
    "a question with its context": (
        {"question": "Who?", "context": "Ada slept.", "answer": "So."},
        "<user>Who?\n\nAda slept.</s><assistant>",
        "### Instruction:\nWho?\n\n### Input:\nAda slept.\n\n### Response:\n",
    ),
    "a system and a history": (
        {"system": "Be brief.", "history": [["a?", "A."]], "instruction": "b?", "output": "So."},
        "<system>Be brief.</s><user>a?</s><assistant>A.</s><user>b?</s><assistant>",
        "Be brief.\n\n### Instruction:\na?\n\n### Response:\nA.\n\n### Instruction:\nb?\n\n### Response:\n",
    ),
    "a history in a text": (
        {"history": "[('a?', 'A.')]", "query": "b?", "response": "So."},
        "<user>a?</s><assistant>A.</s><user>b?</s><assistant>",
        "### Instruction:\na?\n\n### Response:\nA.\n\n### Instruction:\nb?\n\n### Response:\n",
    ),
    "a history that is a chat": (
        {
            "history": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "A."}],
            "instruction": "b?",
            "output": "So.",
        },
        "<user>a?</s><assistant>A.</s><user>b?</s><assistant>",
        "### Instruction:\na?\n\n### Response:\nA.\n\n### Instruction:\nb?\n\n### Response:\n",
    ),
    "a prompt with a response": (
        {"prompt": "Why?", "response": "So."},
        "<user>Why?</s><assistant>",
        "### Instruction:\nWhy?\n\n### Response:\n",
    ),
}


@pytest.mark.parametrize("chat", [True, False], ids=["chat model", "base model"])
@pytest.mark.parametrize("case", ROWS)
def test_what_is_asked_is_a_chat_or_a_stated_prompt(case: str, chat: bool, tokenizer: Any, tmp_path: Path):
    row, as_chat, as_text = ROWS[case]
    whole, counted = _learnt(tokenizer, _encoded(tmp_path, tokenizer, TEMPLATE if chat else None, row))
    assert whole == (as_chat if chat else as_text) + "So.</s>"
    assert counted == "So.</s>"
    assert prepare(tmp_path, **_changes("SFT"))[0].warnings == ()


@pytest.mark.parametrize("task", ["DPO", "ORPO", "Reward", "KTO", "GRPO"])
def test_every_task_asks_alike(task: str, tokenizer: Any, tmp_path: Path):
    answers = {
        "KTO": {"answer": "So.", "label": True},
        "GRPO": {},
    }.get(task, {"chosen": "So.", "rejected": "No."})
    row = {"question": "Why?", "context": "It rains.", **answers}
    for template, asked in (
        (TEMPLATE, "<user>Why?\n\nIt rains.</s><assistant>"),
        (None, "### Instruction:\nWhy?\n\n### Input:\nIt rains.\n\n### Response:\n"),
    ):
        encoded = _encoded(tmp_path, tokenizer, template, row, task)
        ids = encoded["chosen_ids"] if task == "Reward" else encoded["prompt_ids"]
        assert tokenizer.decode(ids).startswith(asked)


def test_a_base_model_learns_a_prompt_that_is_told(tokenizer: Any):
    row = {"prompt": {"instruction": "Why?"}, "completion": "So."}
    tokenizer.chat_template = None
    [words] = asking_notes(row, tokenizer)
    assert "### Instruction:" in words
    tokenizer.chat_template = TEMPLATE
    assert asking_notes(row, tokenizer) == ()
    assert asking_notes({"prompt": "Why?"}, tokenizer) == ()


def test_prompts_and_completions_by_their_own_names_are_joined_as_they_are(tokenizer: Any, tmp_path: Path):
    row = {"prompt": "3 + 4 =", "completion": " 7"}
    assert _learnt(tokenizer, _encoded(tmp_path, tokenizer, TEMPLATE, row)) == ("3 + 4 = 7</s>", " 7</s>")
    assert prepare(tmp_path, **_changes("SFT"))[0].warnings == ()


def test_prompts_that_run_into_their_completions_are_warned_of(tmp_path: Path):
    _write(tmp_path, *[{"prompt": "What is 7?", "completion": "Seven."}] * 3, {"prompt": "a", "completion": " b"})
    [words] = prepare(tmp_path, **_changes("SFT"))[0].warnings
    assert "leaves no blank between them in 3 of 4 rows" in words


USER, REPLY = {"role": "user", "content": "What is 2?"}, {"role": "assistant", "content": "It is 2."}
WRONG = {"role": "assistant", "content": "Wrong reply."}


@pytest.mark.parametrize("task", ["SFT", "KTO", "GRPO"])
def test_a_system_in_a_column_of_its_own_begins_the_chat(task: str, tmp_path: Path):
    _write(tmp_path, *[{"messages": [USER, REPLY], "system": "Be brief.", "label": True}] * 2)
    row = rows_of(tmp_path, **_changes(task))[0]
    assert row.get("messages", row.get("prompt"))[0] == {"role": "system", "content": "Be brief."}
    own = {"role": "system", "content": "Be kind."}
    _write(tmp_path, *[{"messages": [own, USER, REPLY], "system": "Be brief.", "label": True}] * 2)
    row = rows_of(tmp_path, **_changes(task))[0]
    assert row.get("messages", row.get("prompt"))[:2] == [own, USER]


def test_prompts_and_completions_may_be_chats(tokenizer: Any, tmp_path: Path):
    row = {"prompt": [USER], "completion": [REPLY]}
    whole, counted = _learnt(tokenizer, _encoded(tmp_path, tokenizer, TEMPLATE, row))
    assert (whole, counted) == ("<user>What is 2?</s><assistant>It is 2.</s>", "It is 2.</s>")


FLAGS: dict[str, tuple[Any, Any]] = {
    "weight": (0, 1),
    "train": (False, True),
    "loss": (False, None),
}


@pytest.mark.parametrize("template", [TEMPLATE, MARKED], ids=["by growth", "by markers"])
@pytest.mark.parametrize("only", [True, False])
@pytest.mark.parametrize("flag", FLAGS)
def test_turns_with_a_weight_of_zero_are_not_learnt(
    flag: str, only: bool, template: str, tokenizer: Any, tmp_path: Path
):
    left_out, learnt = FLAGS[flag]
    chat = [USER, {**WRONG, flag: left_out}, {**USER, "content": "No."}, {**REPLY, flag: learnt}]
    encoded = _encoded(tmp_path, tokenizer, template, {"messages": chat}, sft={"assistantOnlyLoss": only})
    whole, counted = _learnt(tokenizer, encoded)
    assert whole.startswith("<user>What is 2?</s><assistant>Wrong reply.</s><user>No.</s>")
    assert counted == "It is 2.</s>"


WRONG_FLAGS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "half a weight": ([USER, {**REPLY, "weight": 0.5}], "found weight 0.5 in message 2; expected 0 or 1"),
    "nothing to learn": ([USER, {**REPLY, "weight": 0}], "no message with a weight of 1; expected one at least"),
    "a user's turn": ([{**USER, "train": True}, REPLY], "found a user's message that is to be learnt"),
}


@pytest.mark.parametrize("case", WRONG_FLAGS)
def test_weights_that_cannot_be_met_are_refused(case: str, tmp_path: Path):
    chat, words = WRONG_FLAGS[case]
    _write(tmp_path, {"messages": chat})
    with pytest.raises(BadData, match="line 1, column 'messages'") as refused:
        prepare(tmp_path, **_changes("SFT"))
    assert words in refused.value.message


UNREAD: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "a system beside a prompt": ("SFT", {"prompt": "a", "completion": " b", "system": "s"}, ["system (2 rows)"]),
    "a history beside a chat": ("SFT", {"messages": [USER, REPLY], "history": [["a", "b"]]}, ["history (2 rows)"]),
    "weights of rows": ("SFT", {"messages": [USER, REPLY], "weight": 0.5}, ["weight (2 rows)"]),
    "tools of a pair": ("DPO", {"prompt": "a", "chosen": "b", "rejected": "c", "tools": "[]x"}, ["tools (2 rows)"]),
    "weights of turns": (
        "KTO",
        {"messages": [USER, {**WRONG, "weight": 0}, USER, REPLY], "label": 1},
        ["messages[].weight (2 rows)"],
    ),
    "pictures and a context": (
        "SFT",
        {"prompt": "a", "completion": " b", "images": ["x.png"], "context": "c", "id": 7},
        ["images (2 rows), context (2 rows)"],
    ),
    "a question beside an instruction": (
        "SFT",
        {"instruction": "a", "question": "b", "output": "c"},
        ["question (2 rows)"],
    ),
}


@pytest.mark.parametrize("case", UNREAD)
def test_columns_that_mean_something_and_are_not_read_are_warned_of(case: str, tmp_path: Path):
    task, row, words = UNREAD[case]
    _write(tmp_path, row, row)
    warnings = [told for told in prepare(tmp_path, **_changes(task))[0].warnings if "not read" in told]
    assert warnings == [f"spec.dataset.train: not read by this task, and so not learnt: {words[0]}"]


def test_columns_that_are_blank_or_mean_nothing_are_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    row = {"prompt": "a", "completion": " b", "system": "", "history": [], "context": None, "id": 7, "url": "x"}
    _write(tmp_path, row, row)
    assert prepare(tmp_path, **_changes("SFT"))[0].warnings == ()
    assert "spec.dataset.train: not read: id, url" in caplog.text


def test_sources_hold_the_instruction_too(tmp_path: Path):
    _write(tmp_path, *[{"instruction": "Translate.", "input": "Haus", "output": "house"}] * 2)
    assert rows_of(tmp_path, **_changes("Seq2Seq"))[0] == {"source": "Translate.\n\nHaus", "target": "house"}


def test_a_history_that_is_none_is_refused(tmp_path: Path):
    _write(tmp_path, *[{"instruction": "a", "output": "b", "history": [["a?"]]}] * 2)
    with pytest.raises(BadData, match=r"line 1, column 'history'.*pairs"):
        prepare(tmp_path, **_changes("SFT"))
