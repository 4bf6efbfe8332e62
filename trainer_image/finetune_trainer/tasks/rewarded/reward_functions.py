"""Reward functions that come with the trainer: each gives every completion 0 to 1.

Blanks at a completion's ends do not count.
"""

import json
from collections.abc import Callable

from finetune_api.parts.rewards import ExactAnswerReward, LengthReward, RegexReward, RewardFunction, RewardFunctionType
from finetune_trainer.errors import BadSpec

Answers = dict[str, str]
"""The columns of a row that reward functions name, with their values."""
ScoreTexts = Callable[[list[str], list[Answers]], list[float]]


def scorer(function: RewardFunction) -> ScoreTexts:
    """Return the function that scores completions beside their rows' answers. Raises BadSpec for a bad pattern."""
    if function.type is RewardFunctionType.REGEX and function.regex:
        return _regex(function.regex, function.name)
    if function.type is RewardFunctionType.LENGTH and function.length:
        length = function.length
        return lambda texts, _answers: [length_reward(len(text.strip()), length) for text in texts]
    if function.type is RewardFunctionType.EXACT_ANSWER:
        options = function.exact_answer or ExactAnswerReward()
        return lambda texts, answers: [
            float(answer_in(text, options.after) == answer[options.column].strip())
            for text, answer in zip(texts, answers, strict=True)
        ]
    if function.type is RewardFunctionType.JSON:
        return lambda texts, _answers: [float(is_json(text)) for text in texts]
    raise BadSpec(f"reward function {function.name!r} of type {function.type} needs a block of that name")


def needed_columns(function: RewardFunction) -> list[str]:
    """Return the columns that the function looks at beside the completions."""
    if function.type is RewardFunctionType.EXACT_ANSWER:
        return [(function.exact_answer or ExactAnswerReward()).column]
    return list(function.python.columns or ()) if function.python else []


def length_reward(characters: int, options: LengthReward) -> float:
    """Return 1 at the target, falling evenly to 0 at no text and at twice the target; or 1 within the bounds."""
    if options.target_characters:
        return max(0.0, 1 - abs(characters - options.target_characters) / options.target_characters)
    least, most = options.min_characters or 0, options.max_characters
    return float(characters >= least and (most is None or characters <= most))


def answer_in(text: str, after: str | None) -> str | None:
    """Return the answer that the completion gives: all of it, or what follows the last `after`, if that is there."""
    if after is None:
        return text.strip()
    _, found, answer = text.rpartition(after)
    return answer.strip() if found else None


def is_json(text: str) -> bool:
    """Tell whether the text is one JSON document."""
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _regex(options: RegexReward, name: str) -> ScoreTexts:
    """Search by RE2, whose time is linear in the text, so that no pattern can hang the training."""
    import pyarrow
    from pyarrow import compute

    def found(texts: list[str], _answers: list[Answers]) -> list[float]:
        column = pyarrow.array([text.strip() for text in texts], pyarrow.string())
        return [float(match) for match in compute.match_substring_regex(column, options.pattern).to_pylist()]

    try:
        found([""], [{}])
    except pyarrow.ArrowInvalid as error:
        raise BadSpec(f"the pattern of reward function {name!r} is no RE2 expression: {error}") from error
    return found
