"""Rewards: what tells a good completion from a bad one, for the tasks that learn from their own completions."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.parts.config_maps import ConfigMapKeyRef
from finetune_api.schema import ApiModel, ColumnName, Rule

FunctionName = Annotated[str, Field(min_length=1, max_length=32, pattern="^[a-z][a-z0-9_]*$")]


class RewardFunctionType(StrEnum):
    """What a reward function looks at."""

    REGEX = "Regex"
    LENGTH = "Length"
    EXACT_ANSWER = "ExactAnswer"
    JSON = "JSON"
    PYTHON = "Python"


class RegexReward(ApiModel):
    """1 where the pattern is found in the completion, else 0."""

    rules = (
        Rule(
            "''.matches(self.pattern) || true",
            "must be a regular expression in RE2 syntax, which has no look-around and no back-references",
            field_path=".pattern",
        ),
    )

    pattern: str = Field(
        min_length=1,
        max_length=512,
        description="Regular expression in RE2 syntax (as in Go), searched anywhere in the completion; it takes linear"
        " time. Anchor it by ^ and $ to match the whole.",
    )


class LengthReward(ApiModel):
    """Length of the completion in characters: near a target, or within bounds."""

    rules = (
        Rule(
            "has(self.targetCharacters) != (has(self.minCharacters) || has(self.maxCharacters))",
            "set either targetCharacters or the bounds minCharacters and maxCharacters",
        ),
        Rule(
            "!has(self.minCharacters) || !has(self.maxCharacters) || self.minCharacters <= self.maxCharacters",
            "must not be above maxCharacters",
            field_path=".minCharacters",
        ),
    )

    target_characters: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="The reward is 1 at this length and falls evenly to 0 at no text and at twice the length.",
    )
    min_characters: int | None = Field(None, ge=0, le=1_000_000, description="The reward is 0 below this length.")
    max_characters: int | None = Field(None, ge=0, le=1_000_000, description="The reward is 0 above this length.")


class ExactAnswerReward(ApiModel):
    """1 where the answer is that of the row, else 0; blanks at the ends do not count."""

    column: ColumnName = Field("answer", description="Column of the dataset that holds the right answer.")
    after: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="The answer begins after the last of these texts in the completion, such as '####'; without one"
        " there is no answer. Default: the whole completion is the answer.",
    )


class PythonReward(ApiModel):
    """A Python function of the user's own. It runs in the training pod, with all that the pod may reach."""

    rules = (
        Rule(
            "!has(self.columns) || self.columns.all(column, !(column in ['prompts', 'completions']))",
            "'prompts' and 'completions' are what the function gets in any case; rename the column",
            field_path=".columns",
        ),
    )

    config_map_key_ref: ConfigMapKeyRef = Field(
        description="The Python file. What it holds when a run begins is kept for the whole run; changing it starts no"
        " new one."
    )
    function: str = Field(
        "reward",
        min_length=1,
        max_length=64,
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the function in the file. It is called with prompts, completions and the columns, all by"
        " name, as lists of the same length, and returns a list of as many numbers.",
    )
    columns: list[ColumnName] | None = Field(
        None,
        min_length=1,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Columns of the dataset that the function gets, as lists of texts.",
    )


class RewardFunction(ApiModel):
    """One reward function."""

    rules = (
        Rule("self.type != 'Regex' || has(self.regex)", "needs the block regex with a pattern", field_path=".type"),
        Rule("self.type != 'Length' || has(self.length)", "needs the block length", field_path=".type"),
        Rule("self.type != 'Python' || has(self.python)", "needs the block python", field_path=".type"),
        Rule("self.type == 'Regex' || !has(self.regex)", "is only for type Regex; remove it", field_path=".regex"),
        Rule("self.type == 'Length' || !has(self.length)", "is only for type Length; remove it", field_path=".length"),
        Rule("self.type == 'Python' || !has(self.python)", "is only for type Python; remove it", field_path=".python"),
        Rule(
            "self.type == 'ExactAnswer' || !has(self.exactAnswer)",
            "is only for type ExactAnswer; remove it",
            field_path=".exactAnswer",
        ),
        Rule("self.name != 'model'", "is what the reward model is called; choose another name", field_path=".name"),
    )

    name: FunctionName = Field(description="Name of its own; the figure in the report is reward_<name>.")
    type: RewardFunctionType = Field(
        description="Regex and Length look at the text, ExactAnswer compares it with a column, JSON asks whether it"
        " is one JSON document; each gives 0 to 1. Python is a function of your own, where the operator's settings"
        " allow it."
    )
    weight: float = Field(1.0, ge=-1000, le=1000, description="The reward is multiplied by it before all are added up.")
    regex: RegexReward | None = Field(None, description="Options of type Regex.")
    length: LengthReward | None = Field(None, description="Options of type Length.")
    exact_answer: ExactAnswerReward | None = Field(None, description="Options of type ExactAnswer.")
    python: PythonReward | None = Field(None, description="Options of type Python.")

    @property
    def code_name(self) -> str:
        """The name of the function's file among `TrainingInputs.code`."""
        return f"reward-function-{self.name}"
