"""Options of task SequenceClassification."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from finetune_api.schema import ApiModel, Rule
from finetune_api.tasks.options import TaskOptions

LabelName = Annotated[str, Field(min_length=1, max_length=128)]
LabelWeight = Annotated[float, Field(gt=0, le=1_000_000)]
DEFAULT_THRESHOLD = 0.5
DEFAULT_SEPARATOR = "|"


class ProblemType(StrEnum):
    """What is told about a text."""

    SINGLE_LABEL = "SingleLabel"
    MULTI_LABEL = "MultiLabel"
    REGRESSION = "Regression"


SCORES = {
    ProblemType.SINGLE_LABEL: "accuracy",
    ProblemType.MULTI_LABEL: "f1_micro",
    ProblemType.REGRESSION: "r2",
}
"""The metric of each problem type that the status shows as the score; more of each is better."""


class ClassWeightMethod(StrEnum):
    """Where the labels' weights come from."""

    BALANCED = "Balanced"
    PER_LABEL = "PerLabel"


class ClassWeights(ApiModel):
    """How much each label counts in the training loss. The held-out loss is never weighted."""

    rules = (
        Rule(
            "(self.method == 'PerLabel') == has(self.perLabel)",
            "is for method PerLabel, which needs it; Balanced takes the weights from the data",
            field_path=".perLabel",
        ),
    )

    method: ClassWeightMethod = Field(
        description="Balanced: rare labels count more, in inverse proportion to their share of the training rows;"
        " PerLabel: as perLabel says. For MultiLabel, weights are of a label's positive rows (positive weights)."
    )
    per_label: dict[str, LabelWeight] | None = Field(
        None, min_length=1, max_length=1000, description="Weight by label; a label that is not named has weight 1."
    )


class SequenceClassificationOptions(TaskOptions):
    """Options of task SequenceClassification."""

    main_metric: ClassVar[str] = "accuracy"
    takes_metrics: ClassVar[bool] = True
    # BERT (Devlin et al. 2019, A.3) and, for adapters, LoRA's RoBERTa (Hu et al. 2021, table 9).
    learning_rate: ClassVar[float] = 5e-5
    adapter_learning_rate: ClassVar[float] = 5e-4
    epochs: ClassVar[float] = 3.0

    rules = (
        *(
            Rule(
                f"self.problemType == 'MultiLabel' || !has(self.{name})",
                "is only for problemType MultiLabel; remove it or set problemType: MultiLabel",
                field_path=f".{name}",
                reason="FieldValueForbidden",
            )
            for name in ("threshold", "labelSeparator")
        ),
        *(
            Rule(
                f"self.problemType != 'Regression' || !has(self.{name})",
                "is not for problemType Regression, whose texts have numbers and no labels; remove it",
                field_path=f".{name}",
                reason="FieldValueForbidden",
            )
            for name in ("labels", "classWeights")
        ),
    )

    problem_type: ProblemType = Field(
        ProblemType.SINGLE_LABEL,
        description="SingleLabel: each text has one label (dataset column label). MultiLabel: each text has any number"
        " of labels, or none (column labels). Regression: each text has a number (column label).",
    )
    labels: list[LabelName] | None = Field(
        None,
        min_length=2,
        max_length=1000,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Label names in the order of the model's outputs. Default: the sorted labels of the training"
        " data. A row with any other label is refused.",
    )
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Least probability of a label that is given, for MultiLabel; kept with the model, so that it is"
        " served alike. Default: 0.5.",
    )
    label_separator: str | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="What stands between labels that are one text, as in CSV, for MultiLabel. Default: |.",
    )
    class_weights: ClassWeights | None = Field(
        None, description="How much each label counts in the training loss. Default: all alike."
    )

    @property
    def score_metric(self) -> str:
        """The metric that tells best how good the model is."""
        return SCORES[self.problem_type]
