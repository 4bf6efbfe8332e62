"""Chats in token ids: tool calls are kept, only the assistant's turns count, and templates that cannot are refused."""

import json
from typing import Any

import pytest

from finetune_api.handoff import RunRequest
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.tasks import recipe_for
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

WITH_TOOLS = (
    "{% for tool in tools or [] %}[tool {{ tool.function.name }}]{% endfor %}"
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% for call in message.tool_calls or [] %}[{{ call.function.name }} {{ call.function.arguments | tojson }}]"
    "{% endfor %}{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
FORGETFUL = (
    "{% for message in messages %}{% if loop.last or message.role == 'user' %}"
    "<|{{ message.role }}|>{{ message.content }}</s>{% endif %}{% endfor %}"
)
ROW = {
    "messages": [
        {"role": "user", "content": "weather in Rome?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}],
        },
        {"role": "tool", "content": "sunny", "name": "weather"},
        {"role": "assistant", "content": "warm and sunny"},
    ],
    "tools": json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {}}}]),
}
SAID = '[weather {"city": "Rome"}]</s>warm and sunny</s>'


def test_tool_calls_and_tools_reach_the_template(site: Site):
    row, loaded = _encoded(site, ROW, chatTemplate=WITH_TOOLS, assistantOnlyLoss=True)
    text = loaded.tokenizer.decode(row["input_ids"])
    assert text.startswith("[tool weather]<|user|>weather in Rome?</s><|assistant|>[weather")
    assert "<|tool|>sunny</s>" in text
    assert loaded.tokenizer.decode([label for label in row["labels"] if label != -100]) == SAID


def test_what_is_cut_off_is_counted(site: Site):
    whole, _ = _encoded(site, ROW, chatTemplate=WITH_TOOLS)
    cut, _ = _encoded(site, ROW, length=40, chatTemplate=WITH_TOOLS)
    assert "truncated_tokens" not in whole
    assert len(cut["input_ids"]) == len(cut["labels"]) == 40
    assert cut["truncated_tokens"] == len(whole["input_ids"]) - 40


CHAT = {
    "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d"},
    ]
}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "tools that the template leaves out": (ROW, {}, r"the data has tools, which the model's chat template leaves out"),
    "turns that cannot be told": (
        CHAT,
        {"chatTemplate": FORGETFUL, "assistantOnlyLoss": True},
        r"spells the beginning of a chat differently once more follows.*\{% generation %\}",
    ),
    "a template that is none": (
        CHAT,
        {"chatTemplate": "{% for message in messages %}"},
        "the chat template is not Jinja: line 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_template_that_does_not_suit_the_data_is_refused(site: Site, case: str):
    row, options, words = REFUSED[case]
    with pytest.raises(BadSpec, match=words):
        _encoded(site, row, **options)


def _encoded(site: Site, values: dict[str, Any], length: int = 1000, **sft: Any) -> tuple[dict[str, Any], Loaded]:
    job = site.job(
        task="SFT",
        sft=sft,
        model={"source": "pvc://models/decoder"},
        dataset={"train": {"source": "pvc://data/x.jsonl"}},
    )
    recipe = recipe_for(RunRequest.model_validate(job))
    loaded = recipe.load(site.volumes / "models/decoder", LoadPlan("float32", 0), ())
    loaded.tokenizer.model_max_length = loaded.model.config.max_position_embeddings = 1000
    (row,) = recipe.encode([recipe.parse_row(values, ())], loaded, length)
    return row, loaded
