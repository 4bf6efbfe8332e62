"""SFT on the assistant's turns, with tools, and packed: the losses of a plain loop over padded rows."""

import json
from typing import Any

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from finetune_api.handoff import RunRequest
from finetune_trainer.errors import BadData
from finetune_trainer.models.loading import LoadPlan
from finetune_trainer.runtime.device import Device
from finetune_trainer.tasks import recipe_for
from finetune_trainer.tasks.recipe import EvaluationPlan
from tests.e2e.trainer.plain_loop import (
    expect_equal,
    next_token_loss,
    padded,
    plain_losses,
    seeded,
    trained_losses,
)
from tests.e2e.trainer.tiny_data import descriptions
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

CHATS = [
    [("user", "a film?"), ("assistant", "warm"), ("user", "a story?"), ("assistant", "told with care")],
    [("system", "be brief"), ("user", "a kettle?"), ("assistant", "boils fast")],
    [("user", "and wool?"), ("assistant", "soft, warm and heavy")],
]
MARKED = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "A:{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}Q:{{ message['content'] }}{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
)
LORA = {"method": "LoRA", "lora": {"rank": 4, "alpha": 8}}
PACKED = {"batchSize": 8, "packing": True}
KINDS: dict[str, dict[str, Any]] = {
    "the model's template": {"sft": {"assistantOnlyLoss": True}},
    "a template with markers, packed": {
        "sft": {"assistantOnlyLoss": True, "chatTemplate": MARKED},
        "batches": PACKED,
        "tuning": LORA,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_the_assistant_says_is_learnt(site: Site, kind: str):
    marked = "markers" in kind
    tokenizer = AutoTokenizer.from_pretrained(site.volumes / "models/decoder")
    parts = [[_parts(role, text, marked) for role, text in chat] for chat in CHATS]
    encoded = [_encoded([part for turn in chat for part in turn], tokenizer) for chat in parts]
    rows = [{"messages": [{"role": role, "content": text} for role, text in chat]} for chat in CHATS]
    plain = _plain(site, [ids for ids, _ in encoded], [labels for _, labels in encoded], "tuning" in KINDS[kind])
    losses = trained_losses(site, **_job(site, rows), **{"batches": {"batchSize": 3}, **KINDS[kind]})
    expect_equal(losses, plain)
    published = AutoTokenizer.from_pretrained(site.published())
    assert published.chat_template == (MARKED if marked else tokenizer.chat_template)


def test_packed_completions_are_learnt_as_if_they_stood_alone(site: Site):
    rows = descriptions()
    tokenizer = AutoTokenizer.from_pretrained(site.volumes / "models/decoder")
    ids = [[*tokenizer(row["prompt"] + row["completion"])["input_ids"], tokenizer.eos_token_id] for row in rows]
    hidden = [len(tokenizer(row["prompt"])["input_ids"]) for row in rows]
    labels = [[-100] * count + row[count:] for row, count in zip(ids, hidden, strict=True)]
    plain = _plain(site, ids, labels)
    losses = trained_losses(site, **_job(site, rows), batches={"batchSize": 12, "packing": True, "maxLength": 64})
    expect_equal(losses, plain)
    report = json.loads((site.published() / "evaluation.json").read_text())
    assert report["training"]["epochsDone"] == len(losses), "all rows are one batch"


def test_held_out_rows_whose_completions_are_all_cut_off_are_refused(site: Site):
    recipe = recipe_for(RunRequest.model_validate(site.job(**_job(site, descriptions()))))
    loaded = recipe.load(site.volumes / "models/decoder", LoadPlan("float32", 0), ())
    with pytest.raises(BadData, match=r"no held-out row has a token that counts; raise spec\.training\.maxLength"):
        recipe.evaluate(loaded, descriptions(), EvaluationPlan(Device("cpu", bfloat16=False), 8, max_length=8))


def _parts(role: str, text: str, marked: bool) -> list[tuple[str, bool]]:
    """Spell a turn by hand: texts, and whether each is learnt."""
    said = role == "assistant"
    if marked:
        return [("A:" if said else "Q:", False), (text + ("</s>" if said else ""), said), ("\n", False)]
    return [(f"<|{role}|>", False), (f"{text}</s>", said)]


def _encoded(parts: list[tuple[str, bool]], tokenizer: Any) -> tuple[list[int], list[int]]:
    ids = [(tokenizer(text)["input_ids"], said) for text, said in parts]
    whole = [token for tokens, _ in ids for token in tokens]
    assert whole == tokenizer("".join(text for text, _ in parts))["input_ids"], "no tokens merge across the parts"
    return whole, [token if said else -100 for tokens, said in ids for token in tokens]


def _plain(site: Site, ids: list[list[int]], labels: list[list[int]], lora: bool = False) -> list[float]:
    batch, wanted = padded(ids, labels)
    model = AutoModelForCausalLM.from_pretrained(site.volumes / "models/decoder")
    if lora:
        config, base = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"), model
        model = seeded(lambda: get_peft_model(base, config))
    return plain_losses(model, batch, lambda logits: next_token_loss(logits, wanted))


def _job(site: Site, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "task": "SFT",
        "model": {"source": "pvc://models/decoder"},
        "dataset": {
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("e.jsonl", rows)},
        },
        "evaluation": {"baseline": False, "maxNewTokens": 2},
    }
