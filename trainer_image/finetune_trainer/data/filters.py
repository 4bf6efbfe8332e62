"""`spec.dataset.filter`: rows that do not meet its conditions are not used."""

import json
import operator
import re
from collections.abc import Callable
from typing import Any

from finetune_api.parts.filters import Condition, FilterOperator
from finetune_trainer.data.blanks import is_blank
from finetune_trainer.data.columns import NamedRow
from finetune_trainer.data.problems import MissingColumnError, RowError, show
from finetune_trainer.data.template import listed
from finetune_trainer.errors import BadSpec

FIELD = "spec.dataset.filter"

Test = Callable[[Any], bool]


class RowFilter:
    """The conditions of the spec, all of which a row must meet."""

    def __init__(self, conditions: list[Condition]) -> None:
        """Prepare. Raises BadSpec for a regular expression that is none, and for values that do not fit."""
        self._tests = [(condition, _test_of(condition)) for condition in conditions]

    def keeps(self, values: NamedRow, all_have: bool) -> bool:
        """Tell whether the row is used. `all_have`: all rows of the file have the same columns.

        Raises MissingColumnError where the file has no such column, RowError for a text that should be a number.
        """
        return all(_meets(condition, test, values, all_have) for condition, test in self._tests)


def _meets(condition: Condition, test: Test, values: NamedRow, all_have: bool) -> bool:
    if all_have and condition.column not in values:
        expected = f"a column that {FIELD} names; there are {listed(values)}"
        raise MissingColumnError(condition.column, "no such column", expected)
    return test(values.plain(condition.column) if condition.column in values else None)


def _test_of(condition: Condition) -> Test:
    match condition.operator:
        case FilterOperator.EXISTS:
            return lambda value: not is_blank(value)
        case FilterOperator.DOES_NOT_EXIST:
            return is_blank
        case FilterOperator.IN | FilterOperator.NOT_IN:
            return _list_test(condition)
        case FilterOperator.MATCHES_REGEX:
            pattern = _pattern(condition)
            return lambda value: value is not None and pattern.search(_text(value)) is not None
        case FilterOperator.GREATER_THAN | FilterOperator.LESS_THAN:
            return _number_test(condition)


def _list_test(condition: Condition) -> Test:
    listed, wanted = condition.values or [], condition.operator is FilterOperator.IN
    return lambda value: (value is not None and _text(value) in listed) is wanted


def _number_test(condition: Condition) -> Test:
    bound = _bound(condition)
    compare = operator.gt if condition.operator is FilterOperator.GREATER_THAN else operator.lt
    return lambda value: not is_blank(value) and compare(_number(value, condition.column), bound)


def _text(value: Any) -> str:
    """Return a value as conditions spell it: texts as they are, all else as JSON (true, 3, 0.5)."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _number(value: Any, column: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise RowError(column, show(value), f"a number, since {FIELD} compares it") from None


def _bound(condition: Condition) -> float:
    value = _only_value(condition)
    try:
        return float(value)
    except ValueError:
        raise BadSpec(f"{FIELD}: {condition.operator} compares with a number; found {show(value)}", FIELD) from None


def _pattern(condition: Condition) -> "re.Pattern[str]":
    try:
        return re.compile(_only_value(condition))
    except re.error as error:
        raise BadSpec(f"{FIELD}: {show(_only_value(condition))} is no regular expression: {error}", FIELD) from error


def _only_value(condition: Condition) -> str:
    if not condition.values:
        raise BadSpec(f"{FIELD}: {condition.operator} on column {condition.column!r} needs one value", FIELD)
    return condition.values[0]
