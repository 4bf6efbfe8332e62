"""How a chat template ends the assistant's turns."""

from typing import Any

PROBE = "An answer."


def turn_end(tokenizer: Any) -> tuple[int | None, str | None]:
    """Return the token that closes what the assistant says, and what to warn of if there is none.

    Both are None for a tokenizer without a template, and for a template that refuses a question with its answer.
    """
    if not tokenizer.chat_template:
        return None, None
    chat = [{"role": "user", "content": "A question?"}, {"role": "assistant", "content": PROBE}]
    try:
        text = str(tokenizer.apply_chat_template(chat, tokenize=False))
    except Exception:  # A template is a program, and may fail in any way; whether it is used is not known here.
        return None, None
    _, found, behind = text.rpartition(PROBE)
    if not found:
        return None, None
    closing = _first_added(tokenizer(behind, add_special_tokens=False)["input_ids"], tokenizer)
    if closing is None:
        return None, (
            "the chat template closes the assistant's turns with no token of its own, so the model learns no end of"
            " its answers; end turns with eos_token in a template of your own in spec.sft.chatTemplate"
        )
    return closing, None


def _first_added(ids: list[int], tokenizer: Any) -> int | None:
    """Return the first token that text cannot spell by itself: a special one, or one that was added."""
    added = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    return next((token for token in ids if token in added), None)
