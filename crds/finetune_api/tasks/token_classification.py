"""Options of task TokenClassification."""

from typing import Annotated, ClassVar

from pydantic import Field

from finetune_api.tasks.options import TaskOptions

EntityType = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^\S+$")]


class TokenClassificationOptions(TaskOptions):
    """Options of task TokenClassification (named entities: a tag for each word, B-TYPE, I-TYPE or O)."""

    main_metric: ClassVar[str] = "f1"
    takes_metrics: ClassVar[bool] = True
    # As SequenceClassification.
    learning_rate: ClassVar[float] = 5e-5
    adapter_learning_rate: ClassVar[float] = 5e-4
    epochs: ClassVar[float] = 3.0

    entity_types: list[EntityType] | None = Field(
        None,
        min_length=1,
        max_length=500,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Types of entities, such as PER, in the order of the model's outputs; the tags are O, B-PER, I-PER"
        " and so on. Default: the sorted types of the training data. A row with any other tag is refused.",
    )
    label_all_tokens: bool = Field(
        False,
        description="Teach the word's tag to all of its sub-words. False teaches it to the first alone, which decides"
        " for the word in either case.",
    )
