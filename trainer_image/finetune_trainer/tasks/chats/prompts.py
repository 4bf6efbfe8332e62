"""Prompts with what follows them, as texts, chats or instructions, in token ids."""

from typing import Any

from finetune_trainer.tasks.chats.chat import Message, chat_ids
from finetune_trainer.tasks.chats.instructions import Asked, as_chat, as_text
from finetune_trainer.tasks.chats.tools import Tools
from finetune_trainer.tasks.text.prompt_tokens import prompt_tokens

Turns = str | list[Message]
Prompt = Turns | Asked
"""A prompt as rows have it. What an instruction becomes depends on the model."""


def turns_of(prompt: Prompt, tokenizer: Any) -> Turns:
    """Return what the model is asked: for an instruction a chat, if the model has a template, else the stated text."""
    if not isinstance(prompt, dict):
        return prompt
    return as_chat(prompt) if tokenizer.chat_template else as_text(prompt)


def prompt_like(example: Prompt, text: str) -> Prompt:
    """Return a prompt of one's own in the form of another one: a text, a chat, or an instruction."""
    if isinstance(example, dict):
        return {"instruction": text}
    return [{"role": "user", "content": text}] if isinstance(example, list) else text


def last_words(prompt: Prompt) -> str:
    """Return what is said last in a prompt or an answer, for people."""
    if isinstance(prompt, dict):
        return str(as_chat(prompt)[-1]["content"])
    return prompt if isinstance(prompt, str) else str(prompt[-1].get("content") or "")


def text_ids(text: str, tokenizer: Any) -> list[int]:
    """Return a whole text in token ids; it ends with the end token, where the tokenizer has one."""
    ids: list[int] = tokenizer(text, verbose=False)["input_ids"]
    if tokenizer.eos_token_id is None or ids[-1:] == [tokenizer.eos_token_id]:
        return ids
    return [*ids, tokenizer.eos_token_id]


def prompt_ids(prompt: Prompt, tokenizer: Any, tools: Tools | None = None) -> list[int]:
    """Return a prompt in token ids: a text as it is, a chat up to where the assistant's turn begins.

    Raises BadSpec and BadData as `chat_ids`.
    """
    turns = turns_of(prompt, tokenizer)
    if isinstance(turns, list):
        return chat_ids(turns, tokenizer, tools, add_generation_prompt=True)
    return prompt_tokens(turns, tokenizer)


def prompt_and_completion_ids(
    prompt: Prompt, completion: Turns, tokenizer: Any, tools: Tools | None = None
) -> tuple[list[int], list[int]]:
    """Return the token ids of both parts; together they are those of the whole, end token included.

    Where the prompt's last tokens merge with the completion's first ones, they belong to the completion.
    A completion in words ends a chat as the assistant's. Raises BadSpec and BadData as `chat_ids`.
    """
    turns = turns_of(prompt, tokenizer)
    alone, both = prompt_ids(turns, tokenizer, tools), whole(turns, completion)
    ids = text_ids(both, tokenizer) if isinstance(both, str) else chat_ids(both, tokenizer, tools)
    shared = _common_prefix(alone, ids)
    return ids[:shared], ids[shared:]


def whole(prompt: Turns, answer: Turns) -> Turns:
    """Return the prompt and, right after it, the answer; an answer in words ends a chat."""
    if isinstance(prompt, str):
        return prompt + answer if isinstance(answer, str) else [{"role": "user", "content": prompt}, *answer]
    return [*prompt, {"role": "assistant", "content": answer}] if isinstance(answer, str) else [*prompt, *answer]


def _common_prefix(left: list[int], right: list[int]) -> int:
    pairs = zip(left, right, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))
