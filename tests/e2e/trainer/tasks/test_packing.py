"""Packed documents give the losses that they give alone, and models that would mix them up are refused."""

from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, OPTConfig, OPTForCausalLM

from finetune_trainer.errors import BadSpec
from finetune_trainer.tasks.language.packing import PackedBatches, check_isolation, pack
from tests.e2e.trainer.tiny_models import CORPUS
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

LENGTH = 48


@pytest.mark.parametrize(
    ("attention", "flat", "lora"), [("sdpa", False, False), ("eager", False, True), ("sdpa", True, False)]
)
def test_packed_documents_have_the_losses_that_they_have_alone(site: Site, attention: str, flat: bool, lora: bool):
    folder = site.volumes / "models/decoder"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention)
    if lora:
        model = get_peft_model(model, LoraConfig(target_modules="all-linear", init_lora_weights=False))
    documents = [tokenizer(text)["input_ids"] for text in CORPUS]
    alone = [_losses(model, {"input_ids": torch.tensor([ids])}, torch.tensor([ids])) for ids in documents]
    rows = pack(Dataset.from_list([{"input_ids": ids, "labels": ids} for ids in documents]), LENGTH)
    assert 1 < len(rows) < len(documents), "several documents in several rows"
    assert any(len(ids) < LENGTH for ids in rows["input_ids"]), "one row has padding"
    collate = PackedBatches(tokenizer.pad_token_id, flat)
    check_isolation(model, collate)
    batch = collate(list(rows))
    assert batch["input_ids"].shape[0] == (1 if flat else len(rows))
    packed = _losses(model, batch, batch.pop("labels"))
    assert sorted(packed) == pytest.approx(sorted(loss for losses in alone for loss in losses), abs=1e-5)


def test_a_model_whose_documents_would_see_each_other_is_refused():
    sizes = {"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 2}
    torch.manual_seed(0)
    model = OPTForCausalLM(OPTConfig(vocab_size=64, num_attention_heads=2, max_position_embeddings=64, **sizes))
    with pytest.raises(BadSpec, match=r"OPTForCausalLM would see each other; set spec\.training\.packing: false"):
        check_isolation(model, PackedBatches(0))


def _losses(model: Any, batch: dict[str, torch.Tensor], labels: torch.Tensor) -> list[float]:
    """Return the loss of each token that counts."""
    model.eval()
    with torch.no_grad():
        logits = model(**batch, use_cache=False).logits[:, :-1]
    wanted = labels[:, 1:]
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
    return [float(loss) for loss in losses[wanted.flatten() != -100]]
