"""Which tokens of a chat are the assistant's."""

from functools import lru_cache
from itertools import accumulate, compress, pairwise, takewhile
from typing import Any

from finetune_trainer.errors import UnfitTemplate
from finetune_trainer.tasks.chats.chat import Message, apply_template, template_of
from finetune_trainer.tasks.chats.tools import Tools

FIELD = "spec.sft.assistantOnlyLoss"
MARKERS = (
    "put {% generation %} and {% endgeneration %} around what the assistant says, in a template of your own in"
    " spec.sft.chatTemplate"
)
REMEDY = f"{MARKERS}, or set spec.sft.assistantOnlyLoss: false"
REMEDY_OF_WEIGHTS = f"{MARKERS}, or take the weights out of the messages"


def assistant_tokens(
    messages: list[Message], tokenizer: Any, tools: Tools | None, taught: list[bool] | None = None
) -> tuple[list[int], list[bool]]:
    """Return the chat in token ids, and for each token whether the assistant says it.

    `taught` tells for each of the assistant's messages whether its tokens are among these; all are where it is None.

    These are the tokens between the generation markers of the model's template, or of the training template that TRL
    has for it. Without either, a turn is what the template adds to the chat before it (up to where the assistant
    begins); the end of turn is part of it. Raises UnfitTemplate where neither tells the turns, and what
    `apply_template` raises.
    """
    template = template_of(tokenizer, tools) if tokenizer.chat_template else None
    marked = template and _marked(template, tokenizer)
    if marked:
        options = {"tokenize": True, "return_dict": True, "return_assistant_tokens_mask": True}
        encoded = apply_template(messages, tokenizer, tools, chat_template=marked, **options)
        ids, said = encoded["input_ids"], [bool(bit) for bit in encoded["assistant_masks"]]
        said = _only_taught(said, taught) if taught else said
    else:
        ids, said = _by_growth(messages, tokenizer, tools, taught)
    if not any(said):
        raise UnfitTemplate(f"the chat template marks no token as the assistant's; {_remedy(taught)}", FIELD)
    return ids, said


@lru_cache(maxsize=8)
def _marked(template: str, tokenizer: Any) -> str | None:
    """Return the template with generation markers: itself, or what TRL trains models with this template by."""
    from jinja2 import TemplateError
    from trl.chat_template_utils import get_training_chat_template, has_generation_markers

    if has_generation_markers(template):
        return template
    try:
        marked: str | None = get_training_chat_template(tokenizer)
    except (ValueError, TemplateError, TypeError):
        return None  # TRL knows no other, or the template refuses the chats that TRL tries it with.
    return marked


def _only_taught(said: list[bool], taught: list[bool]) -> list[bool]:
    """Return the marks of the turns that are taught. Raises UnfitTemplate if a turn's tokens are in several pieces."""
    turns = list(accumulate(now and not before for before, now in pairwise([False, *said])))
    if turns[-1] != len(taught):
        words = f"the chat template marks {turns[-1]} turns where the chat has {len(taught)} messages of the assistant"
        raise UnfitTemplate(f"{words}, so that those with a weight of 0 cannot be told; {_remedy(taught)}", FIELD)
    return [mark and taught[turn - 1] for mark, turn in zip(said, turns, strict=True)]


def _by_growth(
    messages: list[Message], tokenizer: Any, tools: Tools | None, taught: list[bool] | None
) -> tuple[list[int], list[bool]]:
    if not tokenizer.is_fast:
        words = f"the model's tokenizer has no fast form, which tells where turns lie; {_remedy(taught)}"
        raise UnfitTemplate(words, FIELD)
    text = apply_template(messages, tokenizer, tools, tokenize=False)
    spoken = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    learnt = compress(spoken, taught) if taught else spoken
    turns = [_turn(messages, index, text, tokenizer, tools) for index in learnt]
    if None in turns:
        raise UnfitTemplate(
            "the model's chat template has no generation markers, and spells the beginning of a chat differently once"
            f" more follows, so that the assistant's turns cannot be told; {_remedy(taught)}",
            FIELD,
        )
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    said = [_within(offsets, [turn for turn in turns if turn]) for offsets in encoded["offset_mapping"]]
    return encoded["input_ids"], said


def _remedy(taught: list[bool] | None) -> str:
    return REMEDY_OF_WEIGHTS if taught else REMEDY


def _turn(
    messages: list[Message], index: int, text: str, tokenizer: Any, tools: Tools | None
) -> tuple[int, int] | None:
    """Return where in the chat's text the turn begins and ends; None where the template does not tell."""
    before = messages[:index]
    so_far = apply_template(before, tokenizer, tools, tokenize=False) if before else ""
    asked = apply_template(before, tokenizer, tools, tokenize=False, add_generation_prompt=True) if before else ""
    end = apply_template(messages[: index + 1], tokenizer, tools, tokenize=False)
    # Some prompts go on with what only a thoughtful answer has, such as <think>.
    start = asked[: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(asked, end, strict=False)))]
    tells = text.startswith(end) and start.startswith(so_far)
    return (len(start), len(end)) if tells else None


def _within(offsets: tuple[int, int], turns: list[tuple[int, int]]) -> bool:
    first, last = offsets[0], max(offsets[1], offsets[0] + 1)
    return any(first < end and start < last for start, end in turns)
