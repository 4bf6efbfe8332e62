"""`spec.dataset.filter`: which rows are used, by simple conditions on columns."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.schema import ApiModel, ColumnName, Rule

FilterValue = Annotated[str, Field(max_length=1024)]
_NUMBER = "^-?[0-9]+([.][0-9]+)?$"


class FilterOperator(StrEnum):
    """How a column's value is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    MATCHES_REGEX = "MatchesRegex"
    GREATER_THAN = "GreaterThan"
    LESS_THAN = "LessThan"


class Condition(ApiModel):
    """What a row must be like to be used. A value that is missing is in no list and neither greater nor less."""

    rules = (
        Rule(
            "!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)",
            "must list what operators In and NotIn compare with",
            field_path=".values",
        ),
        Rule(
            "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values)",
            "is not for operators Exists and DoesNotExist; remove it",
            field_path=".values",
        ),
        Rule(
            "!(self.operator in ['MatchesRegex', 'GreaterThan', 'LessThan'])"
            " || (has(self.values) && self.values.size() == 1)",
            "must hold exactly one value for operators MatchesRegex, GreaterThan and LessThan",
            field_path=".values",
        ),
        Rule(
            "!(self.operator in ['GreaterThan', 'LessThan']) || !has(self.values) ||"
            f" self.values.all(value, value.matches('{_NUMBER}'))",
            "must be a number in quotes for operators GreaterThan and LessThan, such as '3' or '0.5'",
            field_path=".values",
        ),
    )

    column: ColumnName = Field(description="Column of the file.")
    operator: FilterOperator = Field(
        description="In and NotIn compare with the values as text; Exists means that there is a value, and not a blank"
        " one; MatchesRegex looks for a regular expression anywhere in the text; GreaterThan and LessThan compare"
        " numbers."
    )
    values: list[FilterValue] | None = Field(None, max_length=64, description="What to compare with.")
