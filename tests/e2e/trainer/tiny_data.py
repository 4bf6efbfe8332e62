"""Small data that tiny models can learn from."""

from itertools import product
from typing import Any

GOOD, BAD = ("warm", "funny", "wonderful"), ("dull", "noisy", "terrible")
THINGS = ("film", "story", "plot", "cast")
PRODUCTS = ("kettle", "blanket", "lamp", "spoon")
MATERIALS = {"steel": "shines and lasts", "wool": "warms and calms", "oak": "stands and stays"}


def reviews() -> list[dict[str, Any]]:
    """24 texts with the labels good and bad."""
    rows = [{"text": f"a {word} {thing}", "label": "good"} for word, thing in product(GOOD, THINGS)]
    return rows + [{"text": f"a very {word} {thing} indeed", "label": "bad"} for word, thing in product(BAD, THINGS)]


def descriptions() -> list[dict[str, Any]]:
    """12 prompts with completions."""
    return [
        {"prompt": f"Product: {thing} | Material: {material}\nDescription:", "completion": f" it {praise}."}
        for thing, (material, praise) in product(PRODUCTS, MATERIALS.items())
    ]


def chats() -> list[dict[str, Any]]:
    """The same 12 as chats."""
    return [
        {
            "messages": [
                {"role": "user", "content": row["prompt"]},
                {"role": "assistant", "content": row["completion"].strip()},
            ]
        }
        for row in descriptions()
    ]


def pairs() -> list[dict[str, Any]]:
    """12 prompts, each with a better answer and a worse one."""
    return [
        {"prompt": row["prompt"], "chosen": row["completion"], "rejected": f" it {bad}."}
        for row, bad in zip(descriptions(), BAD * 4, strict=True)
    ]


def chat_pairs() -> list[dict[str, Any]]:
    """The same 12 as whole chats, whose prompt is what they have in common."""

    def chat(prompt: str, answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer.strip()}]

    return [{name: chat(row["prompt"], row[name]) for name in ("chosen", "rejected")} for row in pairs()]


def judged() -> list[dict[str, Any]]:
    """24 prompts with one answer each: the better ones are marked true, the worse ones false."""
    return [
        {"prompt": pair["prompt"], "completion": pair[answer], "label": answer == "chosen"}
        for pair in pairs()
        for answer in ("chosen", "rejected")
    ]
