"""Tiny folders with the oddities of published models, made from the ordinary tiny ones."""

import io
import json
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import processors
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, MarianConfig, MarianMTModel

from finetune_api.handoff import RunRequest
from finetune_trainer.models.loading import LoadPlan
from tests.e2e.trainer.tiny_models import CORPUS, make_decoder

PLAN = LoadPlan("float32", seed=0)
IM_END = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def change_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file, which need not be there yet; None takes a key out."""
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({key: value for key, value in {**content, **changes}.items() if value is not None}))


def decoder(folder: Path, *, added: list[str] | None = None, resized: bool = True, **tokenizer_settings: Any) -> Path:
    """A Llama whose tokenizer has `added` special tokens, with embeddings for them if `resized`."""
    make_decoder(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"extra_special_tokens": added or []})
    for name, value in tokenizer_settings.items():
        setattr(tokenizer, name, value)
    (folder / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(folder)
    if added and resized:
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_pretrained(folder)
        model.resize_token_embeddings(len(tokenizer))
        model.save_pretrained(folder)
    return folder


def decoder_that_adds_ends(folder: Path, bos: bool = True) -> Path:
    """A Llama whose tokenizer puts <s> before, if `bos`, and </s> behind every text."""
    make_decoder(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    single = "<s> $A </s>" if bos else "$A </s>"
    template = processors.TemplateProcessing(
        single=single, pair=f"{single} $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([processors.ByteLevel(), template])
    tokenizer.save_pretrained(folder)
    return folder


def marian(folder: Path) -> Path:
    """A Marian of 1 + 1 layers with two SentencePiece models, a vocabulary, and no tokenizer.json."""
    folder.mkdir()
    for side in ("source", "target"):
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS * 5),
            model_writer=written,
            vocab_size=90,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{side}.spm").write_bytes(written.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    words = [pieces.id_to_piece(index) for index in range(pieces.get_piece_size())]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(["</s>", "<unk>", *words, "<pad>"]))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    names = {"tokenizer_class": "MarianTokenizer", "source_lang": "eng", "target_lang": "deu"}
    change_json(folder / "tokenizer_config.json", **names)
    padding = vocabulary["<pad>"]
    torch.manual_seed(0)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(vocabulary),
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_position_embeddings=64,
            pad_token_id=padding,
            eos_token_id=0,
            decoder_start_token_id=padding,
            forced_eos_token_id=0,
        )
    )
    model.generation_config.bad_words_ids = [[padding]]
    model.save_pretrained(folder)
    return folder


def generation(folder: Path) -> dict[str, Any]:
    """Return what a folder's generation config says, without what is only of the library."""
    settings: dict[str, Any] = GenerationConfig.from_pretrained(folder).to_diff_dict()
    return {
        name: value
        for name, value in settings.items()
        if not name.startswith(("_", "output_")) and name not in ("transformers_version", "use_cache")
    }


def request_of(task: str, **options: Any) -> RunRequest:
    """A job of the task, with its options."""
    columns = {"train": {"source": "pvc://data/train.jsonl"}, "evaluation": {"fraction": 0.5}}
    place = {"namespace": "default", "name": "job", "uid": "uid", "runId": "run"}
    ends = {"model": {"source": "pvc://models/base"}, "output": {"destination": "pvc://out/x"}}
    return RunRequest.model_validate({**place, **ends, "task": task, "dataset": columns, **options})
