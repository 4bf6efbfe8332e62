"""Folders whose parts do not fit are refused when they are loaded; those of unusual parts are taken."""

import json
import shutil
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

from finetune_api.parts.sources import Source
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.loading import load_tokenizer
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.serving.engines.encoder_decoder import EncoderDecoder
from finetune_trainer.serving.engines.loading import load_model
from finetune_trainer.serving.engines.sampling import Sampling
from finetune_trainer.stages.model import _is_needed, fetch_model
from finetune_trainer.storage import Access, open_storage
from finetune_trainer.tasks import recipe_for
from finetune_trainer.tasks.chats.chat import chat_ids
from finetune_trainer.tasks.chats.turn_end import turn_end
from finetune_trainer.tasks.language.encoder_decoder import load_encoder_decoder
from finetune_trainer.tasks.language.language_modeling import load_causal
from finetune_trainer.tasks.text.truncation import TRUNCATED, cut_texts
from tests.e2e.trainer.tiny_models import CHAT_TEMPLATE, CORPUS, make_decoder
from tests.unit.trainer.odd_models import IM_END, PLAN, change_json, decoder, marian, request_of

CHAT = [{"role": "user", "content": "a warm film"}, {"role": "assistant", "content": "with care"}]


def _fetch(folder: Path, into: Path) -> Path:
    storage = open_storage(Source("pvc", folder.parent.name, folder.name), Access("f", volumes=folder.parents[1]))
    workspace = Workspace(into, "run", "uid")
    return workspace.path(fetch_model(storage, None, workspace.base, workspace, field="spec.model.source").folder)


@pytest.mark.parametrize("token", ["<|im_start|>", "[PAD]"])
def test_a_token_beyond_the_embeddings_is_refused_with_both_sizes(tmp_path: Path, token: str):
    make_decoder(tmp_path)
    rows = len(AutoTokenizer.from_pretrained(tmp_path))
    decoder(tmp_path, added=[token], resized=False)
    with pytest.raises(BadSpec) as refused:
        load_causal(tmp_path, PLAN)
    assert refused.value.field == "spec.model.source"
    assert f"the model has {rows} embeddings and its tokenizer {rows + 1} tokens: {token} ({rows})" in str(
        refused.value
    )
    assert f"resize_token_embeddings({rows + 1})" in str(refused.value)


def test_added_tokens_with_embeddings_are_taken_and_spare_embeddings_too(tmp_path: Path):
    decoder(tmp_path, added=["<|im_start|>", "<|im_end|>"])
    loaded = load_causal(tmp_path, PLAN)
    assert loaded.model.get_input_embeddings().weight.shape[0] == len(loaded.tokenizer)
    loaded.model.resize_token_embeddings(len(loaded.tokenizer) + 8)
    loaded.model.save_pretrained(tmp_path)
    load_causal(tmp_path, PLAN)


def test_padding_beyond_the_vocabulary_is_refused_with_both_numbers(tmp_path: Path):
    make_decoder(tmp_path)
    size = json.loads((tmp_path / "config.json").read_text())["vocab_size"]
    change_json(tmp_path / "config.json", pad_token_id=size)
    with pytest.raises(BadSpec, match=f"pad_token_id {size}, but its vocabulary ends at {size - 1}"):
        load_causal(tmp_path, PLAN)


def test_a_damaged_tokenizer_is_named(tmp_path: Path):
    make_decoder(tmp_path)
    change_json(tmp_path / "tokenizer.json", model={"type": "Unheard"})
    with pytest.raises(BadSpec, match="tokenizer cannot be loaded"):
        load_tokenizer(tmp_path)


def test_an_adapter_beside_weights_is_refused(tmp_path: Path):
    folder = tmp_path / "claim/model"
    make_decoder(folder)
    change_json(folder / "adapter_config.json", base_model_name_or_path="org/base", peft_type="LORA")
    with pytest.raises(BadSpec, match=r"adapter_config\.json beside model\.safetensors.*merged.*merge_and_unload"):
        _fetch(folder, tmp_path)


@pytest.mark.parametrize("config", [True, False])
def test_an_adapter_alone_is_called_one_and_its_base_is_named(tmp_path: Path, config: bool):
    folder = tmp_path / "claim/adapter"
    make_decoder(folder)
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    if not config:
        (folder / "config.json").unlink()
    change_json(folder / "adapter_config.json", base_model_name_or_path="org/base", peft_type="LORA")
    with pytest.raises(BadSpec, match="is an adapter of org/base, not a model; name its base model, or merge it"):
        _fetch(folder, tmp_path)


def test_an_adapters_weights_without_its_config_are_no_weights_of_the_model(tmp_path: Path):
    folder = tmp_path / "claim/model"
    make_decoder(folder)
    save_file({"x": torch.zeros(1 << 20, dtype=torch.bfloat16)}, folder / "adapter_model.safetensors")
    _fetch(folder, tmp_path)
    storage = open_storage(Source("pvc", "claim", "model"), Access("f", volumes=tmp_path))
    workspace = Workspace(tmp_path, "other", "uid")
    assert fetch_model(storage, None, workspace.base, workspace, field="f").weight_dtype == "float32"


def test_all_that_a_tokenizer_is_made_from_is_fetched(tmp_path: Path):
    folder = decoder(tmp_path / "model", chat_template={"default": CHAT_TEMPLATE, "short": IM_END})
    marian(tmp_path / "marian")
    tokenizer_files = [path for one in (folder, tmp_path / "marian") for path in one.rglob("*") if path.is_file()]
    names = {path.relative_to(tmp_path).as_posix().partition("/")[2] for path in tokenizer_files}
    assert {"source.spm", "target.spm", "vocab.json", "additional_chat_templates/short.jinja"} <= names
    assert all(map(_is_needed, names))
    assert not any(
        map(_is_needed, ("onnx/config.json", "consolidated.safetensors", "adapter_model.safetensors", "x.py"))
    )


@pytest.mark.parametrize("kind", ["LlamaTokenizer", "T5Tokenizer"])
def test_a_tokenizer_of_sentencepiece_alone_gets_its_fast_form(tmp_path: Path, kind: str):
    source = marian(tmp_path / "marian") / "source.spm"
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(source, folder / ("tokenizer.model" if kind == "LlamaTokenizer" else "spiece.model"))
    change_json(folder / "tokenizer_config.json", tokenizer_class=kind)
    change_json(folder / "config.json", model_type="llama" if kind == "LlamaTokenizer" else "t5")
    tokenizer = load_tokenizer(folder)
    assert tokenizer.is_fast
    assert tokenizer.decode(tokenizer(CORPUS[0])["input_ids"], skip_special_tokens=True) == CORPUS[0]


def test_marian_is_encoded_and_served_with_its_own_tokenizer(tmp_path: Path):
    folder = marian(tmp_path / "marian")
    loaded = load_encoder_decoder(folder, PLAN)
    assert not loaded.tokenizer.is_fast
    [row] = recipe_for(request_of("Seq2Seq")).encode([{"source": CORPUS[0], "target": CORPUS[1]}], loaded, 512)
    end = loaded.tokenizer.eos_token_id
    assert row["input_ids"][-1] == row["labels"][-1] == end
    served = load_model(folder)
    assert isinstance(served, EncoderDecoder)
    text: list[str] = []
    outcome = served.generate(
        served.encode_prompt("a warm film"), Sampling(12, temperature=0), text.append, threading.Event()
    )
    ids = loaded.model.generate(
        **loaded.tokenizer("a warm film", return_tensors="pt"), max_new_tokens=12, do_sample=False
    )
    assert "".join(text).strip() == loaded.tokenizer.decode(ids[0], skip_special_tokens=True).strip()
    assert outcome.completion_tokens == ids.shape[1] - 1


def test_a_tokenizer_without_a_fast_form_tells_what_it_cut_off(tmp_path: Path):
    tokenizer = load_tokenizer(marian(tmp_path / "marian"))
    short, long = cut_texts(["a", CORPUS[0]], tokenizer, 8)
    assert TRUNCATED not in short
    assert len(long["input_ids"]) == 8
    assert long[TRUNCATED] == len(tokenizer(CORPUS[0])["input_ids"]) - 8


def test_named_chat_templates_without_a_default_are_refused_by_name(tmp_path: Path):
    tokenizer = load_tokenizer(decoder(tmp_path, chat_template={"short": CHAT_TEMPLATE, "long": IM_END}))
    words = r"several chat templates \(long, short\) and none that is called default"
    with pytest.raises(BadSpec, match=words) as error:
        chat_ids(CHAT, tokenizer)
    assert error.value.field == "spec.sft.chatTemplate"
    loaded = load_causal(tmp_path, PLAN, CHAT_TEMPLATE)
    assert loaded.tokenizer.decode(chat_ids(CHAT, loaded.tokenizer)).endswith("with care</s>")


def test_the_token_that_ends_a_turn_is_published_as_an_end_token(tmp_path: Path):
    loaded = load_causal(decoder(tmp_path, added=["<|im_end|>"], chat_template=IM_END), PLAN)
    end = loaded.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert loaded.model.generation_config.eos_token_id == [2, end]
    assert loaded.chat_notes == ()


def test_a_template_whose_turns_end_with_the_end_token_changes_nothing(tmp_path: Path):
    make_decoder(tmp_path)
    loaded = load_causal(tmp_path, PLAN)
    assert (loaded.model.generation_config.eos_token_id, loaded.chat_notes, loaded.notes) == (2, (), ())


@pytest.mark.parametrize(
    ("template", "warned"),
    [
        (CHAT_TEMPLATE.replace("</s>", "\n"), True),
        ("{{ raise_exception('never') }}", False),
        ("{% if", False),
        ("nothing of the chat", False),
        (None, False),
    ],
)
def test_turns_without_an_end_are_warned_of_if_the_template_can_tell(
    tmp_path: Path, template: str | None, warned: bool
):
    end, doubt = turn_end(load_tokenizer(decoder(tmp_path, chat_template=template)))
    assert end is None
    assert bool(doubt) is warned
    assert not warned or "spec.sft.chatTemplate" in str(doubt)
