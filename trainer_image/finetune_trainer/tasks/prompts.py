"""Prompts with what follows them, as texts or as chats, in token ids."""

from typing import Any

from finetune_trainer.tasks.chat import Message, chat_ids
from finetune_trainer.tasks.prompt_tokens import prompt_tokens
from finetune_trainer.tasks.tools import Tools

Turns = str | list[Message]


def text_ids(text: str, tokenizer: Any) -> list[int]:
    """Return a whole text in token ids; it ends with the end token, where the tokenizer has one."""
    ids: list[int] = tokenizer(text, verbose=False)["input_ids"]
    if tokenizer.eos_token_id is None or ids[-1:] == [tokenizer.eos_token_id]:
        return ids
    return [*ids, tokenizer.eos_token_id]


def prompt_ids(prompt: Turns, tokenizer: Any, tools: Tools | None = None) -> list[int]:
    """Return a prompt in token ids: a text as it is, a chat up to where the assistant's turn begins.

    Raises BadSpec and BadData as `chat_ids`.
    """
    if isinstance(prompt, list):
        return chat_ids(prompt, tokenizer, tools, add_generation_prompt=True)
    return prompt_tokens(prompt, tokenizer)


def prompt_and_completion_ids(
    prompt: Turns, completion: Turns, tokenizer: Any, tools: Tools | None = None
) -> tuple[list[int], list[int]]:
    """Return the token ids of both parts; together they are those of the whole, end token included.

    Where the prompt's last tokens merge with the completion's first ones, they belong to the completion.
    `prompt` and `completion` are two texts or two lists of messages. Raises BadSpec and BadData as `chat_ids`.
    """
    alone = prompt_ids(prompt, tokenizer, tools)
    if isinstance(prompt, list) and isinstance(completion, list):
        whole = chat_ids([*prompt, *completion], tokenizer, tools)
    else:
        whole = text_ids(f"{prompt}{completion}", tokenizer)
    shared = _common_prefix(alone, whole)
    return whole[:shared], whole[shared:]


def _common_prefix(left: list[int], right: list[int]) -> int:
    pairs = zip(left, right, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))
