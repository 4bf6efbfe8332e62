"""Text from tokens, one by one, with the kinds of tokenizers that models have."""

import threading

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from finetune_trainer.serving.engines.text_writer import TextWriter


def _word_pieces_with_spaces_in_front() -> PreTrainedTokenizerFast:
    """As SentencePiece models have it: the first space of a text is not shown, unknown characters are bytes."""
    words = ["<unk>", "▁Hello", "▁world", "▁again", "s", "<0xE2>", "<0x98>", "<0x95>"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def _write(prompt: list[str], new: list[str], stops: tuple[str, ...] = ()) -> list[str]:
    tokenizer = _word_pieces_with_spaces_in_front()
    shown: list[str] = []
    writer = TextWriter(tokenizer, tokenizer.convert_tokens_to_ids(prompt), stops, shown.append, threading.Event())
    for token in tokenizer.convert_tokens_to_ids(new):
        writer(torch.tensor([[token]]), None)
    writer.finish()
    return shown


def test_the_space_between_prompt_and_completion_is_kept():
    assert _write(["▁Hello"], ["▁world", "s", "▁again"]) == [" world", "s", " again"]


def test_a_character_of_several_tokens_arrives_whole():
    assert _write(["▁Hello"], ["▁world", "<0xE2>", "<0x98>", "<0x95>", "▁again"]) == [" world", "☕", " again"]


def test_a_stop_string_of_several_tokens_is_never_shown():
    assert _write(["▁Hello"], ["▁world", "s", "▁again"], stops=("ds a",)) == [" worl"]


@pytest.mark.parametrize("cancelled", [True, False])
def test_generation_ends_once_nobody_waits(cancelled: bool):
    event = threading.Event()
    if cancelled:
        event.set()
    writer = TextWriter(_word_pieces_with_spaces_in_front(), [1], (), lambda _: None, event)
    assert writer(torch.tensor([[2]]), None).tolist() == [cancelled]
