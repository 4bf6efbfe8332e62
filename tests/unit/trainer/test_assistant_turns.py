"""Which tokens of a chat are the assistant's, by the templates of the model families and by templates of one's own."""

from importlib.resources import files

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from finetune_trainer.errors import BadSpec
from finetune_trainer.tasks.chats.assistant_turns import assistant_tokens

CHAT = [
    {"role": "user", "content": "one?"},
    {"role": "assistant", "content": "Uno."},
    {"role": "user", "content": "two?"},
    {"role": "assistant", "content": "Due."},
]
NO_THOUGHT = "<think>\n\n</think>\n\n"
FAMILIES = {
    "qwen3": (f"{NO_THOUGHT}Uno.<|im_end|>\n", f"{NO_THOUGHT}Due.<|im_end|>\n"),
    "qwen3_5_think": (f"{NO_THOUGHT}Uno.<|im_end|>\n", f"{NO_THOUGHT}Due.<|im_end|>\n"),
    "phi3": ("Uno.<|end|>\n", "Due.<|end|>\n</s>"),
    "gptoss": (
        "<|start|>assistant<|channel|>final<|message|>Uno.<|end|>",
        "<|start|>assistant<|channel|>final<|message|>Due.<|return|>",
    ),
    "glm4moe": ("\n<think></think>\nUno.<|user|>", "\n<think></think>\nDue.<|user|>"),
    "deepseekv3": ("<｜Assistant｜>Uno.<｜end▁of▁sentence｜>", "<｜Assistant｜>Due.<｜end▁of▁sentence｜>"),
    "llama3": ("Uno.<|eot_id|>", "Due.<|eot_id|>"),
}
THOUGHTFUL = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>{% endif %}"
)
FORGETFUL = (
    "{% for message in messages %}{% if loop.last or message.role == 'user' %}"
    "<|{{ message.role }}|>{{ message.content }}</s>{% endif %}{% endfor %}"
)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_turns_of_a_model_family_are_told_by_trls_training_template(family: str):
    original = files("trl").joinpath(f"chat_templates/{family}.jinja").read_text()
    tokenizer = _tokenizer(original)
    assert _said(tokenizer) == "".join(FAMILIES[family])
    assert tokenizer.chat_template == original, "the published tokenizer keeps the model's own template"


def test_a_prompt_that_opens_a_thought_does_not_hide_turns_without_one():
    assert _said(_tokenizer(THOUGHTFUL)) == "Uno.</s>Due.</s>"


def test_a_template_that_forgets_earlier_turns_is_refused():
    with pytest.raises(BadSpec, match=r"spells the beginning of a chat differently once more follows"):
        _said(_tokenizer(FORGETFUL))


def _said(tokenizer: PreTrainedTokenizerFast) -> str:
    ids, said = assistant_tokens(CHAT, tokenizer, None)
    return tokenizer.decode([token for token, is_said in zip(ids, said, strict=True) if is_said])


def _tokenizer(template: str) -> PreTrainedTokenizerFast:
    letters = {letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    spelling = Tokenizer(models.BPE(letters, []))
    spelling.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spelling.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=spelling, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = template
    return tokenizer
