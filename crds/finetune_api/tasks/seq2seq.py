"""Options of task Seq2Seq."""

from typing import ClassVar

from pydantic import Field

from finetune_api.schema import Rule
from finetune_api.tasks.options import TaskOptions


class Seq2SeqOptions(TaskOptions):
    """Options of task Seq2Seq (an encoder-decoder learns to write one text from another)."""

    main_metric: ClassVar[str] = "rougeL"
    takes_metrics: ClassVar[bool] = True
    writes_text: ClassVar[bool] = True
    # transformers' page on T5 and, for adapters, PEFT's guide to sequence to sequence.
    learning_rate: ClassVar[float] = 1e-4
    adapter_learning_rate: ClassVar[float] = 1e-3
    epochs: ClassVar[float] = 3.0
    rules = (
        Rule(
            "!has(self.lengthPenalty) || self.numBeams > 1",
            "chooses among beams; set numBeams above 1, or remove it",
            field_path=".lengthPenalty",
        ),
        Rule(
            "!has(self.minNewTokens) || self.minNewTokens <= self.maxNewTokens",
            "must not be above maxNewTokens",
            field_path=".minNewTokens",
        ),
    )

    prefix: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="Text before every source, such as 'summarize: '. It is published with the model, and the server"
        " puts it before every prompt. Default: none.",
    )
    max_target_length: int = Field(
        128, ge=1, le=1_048_576, description="Tokens of a target; what is longer is cut off. Sources: maxLength."
    )
    num_beams: int = Field(
        1,
        ge=1,
        le=64,
        description="Beams of the search for the best text, in the evaluation and of the published model; 1 takes the"
        " likeliest token each time.",
    )
    max_new_tokens: int = Field(
        128,
        ge=1,
        le=1_048_576,
        description="Longest text that is written, in tokens, in the evaluation and by the published model.",
    )
    min_new_tokens: int | None = Field(
        None,
        ge=1,
        le=1_048_576,
        description="Shortest text that is written, in tokens, in the evaluation and by the published model.",
    )
    length_penalty: float | None = Field(
        None,
        ge=-10,
        le=10,
        description="With several beams: above 1 favours longer texts, below 1 shorter ones. Default: 1.",
    )
    no_repeat_ngram_size: int | None = Field(
        None, ge=1, le=64, description="Sequences of so many tokens are written once only. Default: no such rule."
    )
