"""Which of the assistant's turns a chat teaches: by OpenAI's and Mistral's weight, Axolotl's train, ms-swift's loss."""

from typing import Any

from finetune_trainer.data.problems import RowError, show

FLAGS = ("weight", "train", "loss")
MEANINGS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


def taught_turns(messages: list[dict[str, Any]], column: str) -> list[bool] | None:
    """Return for each of the assistant's messages whether it is learnt; None if the chat says nothing of it.

    Raises RowError for other weights than 0 and 1, for a chat that teaches nothing, and for a turn of somebody else
    that is to be learnt.
    """
    flags = [_flag(message, f"message {number}", column) for number, message in enumerate(messages, 1)]
    if all(flag is None for flag in flags):
        return None
    for message, flag in zip(messages, flags, strict=True):
        if flag and message.get("role") != "assistant":
            found = f"a {message.get('role')}'s message that is to be learnt"
            raise RowError(column, found, "weights of the assistant's messages only")
    pairs = zip(messages, flags, strict=True)
    taught = [flag is not False for message, flag in pairs if message.get("role") == "assistant"]
    if not any(taught):
        raise RowError(column, "no message with a weight of 1", "one at least; remove the row")
    return taught


def _flag(message: dict[str, Any], where: str, column: str) -> bool | None:
    """Return what a message says of itself, or None."""
    stated = {name: message[name] for name in FLAGS if message.get(name) is not None}
    meant = {name: MEANINGS.get(str(value).strip().lower()) for name, value in stated.items()}
    for name, flag in meant.items():
        if flag is None:
            raise RowError(column, f"{name} {show(stated[name])} in {where}", "0 or 1 (false or true)")
    return all(meant.values()) if meant else None
