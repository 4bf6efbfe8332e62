"""Prompts of the tasks that learn from rewards come back from the encoded file as they went in."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from torch.nn import Module
from transformers import AutoTokenizer, PreTrainedConfig

from finetune_api.handoff import RunRequest
from finetune_trainer.data.rows import RowWriter, StoredRows
from finetune_trainer.models.loading import Loaded
from finetune_trainer.stages.encoding import code_that_encodes, encode_rows
from finetune_trainer.tasks import recipe_for
from tests.builders import merge
from tests.e2e.trainer.tiny_models import make_decoder
from tests.unit.trainer.stage_data import REQUEST

TEMPLATE = "{% for m in messages %}{{ m.role }}{{ m.content }}{{ m.tool_calls | tojson if m.tool_calls }}{% endfor %}"


def _calling(**arguments: Any) -> list[dict[str, Any]]:
    call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
    return [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "5"},
    ]


@pytest.mark.parametrize("task", ["GRPO", "RLOO", "PPO"])
def test_texts_and_chats_with_different_calls_may_stand_in_one_file(task: str, tmp_path: Path):
    make_decoder(tmp_path / "model")
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "model")
    tokenizer.chat_template = TEMPLATE
    model: Any = Module()
    model.config = PreTrainedConfig(max_position_embeddings=512)
    prompts = [_calling(x=3), "3 + 4 =", _calling(city="Rome", x="three")]
    with RowWriter(tmp_path / "rows.jsonl") as writer:
        for prompt in prompts:
            writer.append({"prompt": prompt, "answers": {"sum": "7"}})
    options = {task.lower(): {"rewardFunctions": [{"name": "json", "type": "JSON"}]}}
    recipe = recipe_for(RunRequest.model_validate(merge(REQUEST, {"task": task, **options})))
    stored = StoredRows(tmp_path / "rows.jsonl")
    for _ in range(2):
        rows = encode_rows(recipe, stored, Loaded(model, tokenizer), 512, tmp_path / "encoded").rows
        assert [row["prompt"] for row in rows] == prompts
        assert rows[2]["prompt"][1]["tool_calls"][0]["function"]["arguments"] == {"city": "Rome", "x": "three"}
        assert json.dumps(rows[0]["answers"]) == '{"sum": "7"}'
        assert rows[1]["prompt_ids"] == tokenizer("3 + 4 =")["input_ids"]


def test_encoded_rows_are_stale_once_any_helper_of_a_task_has_changed() -> None:
    """Helpers lie in folders of their own; one that is missed would leave rows of the former code."""
    loaded = {
        name: module
        for name, module in sys.modules.items()
        if name.startswith(("finetune_trainer.tasks", "finetune_trainer.models"))
    }
    files = {Path(str(module.__file__)) for module in loaded.values()}
    assert any(file.parent.name == "chats" for file in files)
    assert files <= set(code_that_encodes())
