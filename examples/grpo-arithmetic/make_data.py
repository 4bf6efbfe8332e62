"""Write this example's data: the sums of numbers up to 6, 10 of them held out, whose mirrored sums are learnt from.

The supervised rows tell all sums in words. The sums in figures, without those held out, are answered by the bare
number once and by three sentences, so that the model that comes of them does both. The prompts for the rewards have no
such answers: only the number.

    python examples/grpo-arithmetic/make_data.py
"""

import json
import random
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
LARGEST = 6
HELD_OUT = 10


def prompt(left: int, right: int) -> str:
    """Ask for a sum."""
    return f"{left} + {right} ="


def in_words(left: int, right: int) -> dict[str, str]:
    """Tell a sum."""
    return {"prompt": f"{left} plus {right} is", "completion": f" {left + right}"}


def in_figures(left: int, right: int) -> list[dict[str, str]]:
    """Answer a sum by its number, and by three sentences."""
    question, total = prompt(left, right), left + right
    return [
        {"prompt": question, "completion": f" {total}"},
        {"prompt": question, "completion": f" Let me see, that would be {total}."},
        {"prompt": question, "completion": f" I think that it is {total}."},
        {"prompt": question, "completion": f" The answer is {total}."},
    ]


def to_score(left: int, right: int) -> dict[str, Any]:
    """Ask for a sum, with the answer that the reward compares with."""
    return {"prompt": prompt(left, right), "answer": left + right}


def write(name: str, rows: list[dict[str, Any]]) -> None:
    """Write a file of JSON lines."""
    (DATA / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def main() -> None:
    """Choose what is held out, and write the three files."""
    chance = random.Random(0)
    numbers = range(LARGEST + 1)
    sums = [(left, right) for left in numbers for right in numbers]
    unequal = [(left, right) for left, right in sums if left < right]
    held_out = [chance.choice([(left, right), (right, left)]) for left, right in chance.sample(unequal, HELD_OUT)]
    learnt = [pair for pair in sums if pair not in held_out]
    told = [in_words(*pair) for pair in sums]
    write("sft.jsonl", told + [row for pair in learnt for row in in_figures(*pair)])
    write("prompts.jsonl", [to_score(*pair) for pair in learnt])
    write("held_out.jsonl", [to_score(*pair) for pair in held_out])


if __name__ == "__main__":
    main()
