"""`spec.dataset`: the rows to learn from and to be judged by."""

from pydantic import Field

from finetune_api.parts.data_files import DataSource, EvaluationData
from finetune_api.parts.filters import Condition
from finetune_api.parts.secrets import SecretRef
from finetune_api.schema import ApiModel, ColumnName, Rule


class Columns(ApiModel):
    """Which columns of the file hold what. Unset names fall back to the field's own name."""

    text: ColumnName = Field(
        "text", description="Text to classify (SequenceClassification), or to learn from (CausalLM)."
    )
    label: ColumnName = Field("label", description="Label or number of the text (SequenceClassification).")
    labels: ColumnName = Field("labels", description="Labels of the text (SequenceClassification, MultiLabel).")
    tokens: ColumnName = Field("tokens", description="Words of a sentence (TokenClassification).")
    tags: ColumnName = Field("tags", description="Tag of each word: B-TYPE, I-TYPE or O (TokenClassification).")
    prompt: ColumnName = Field("prompt", description="Prompt (all tasks that have one).")
    completion: ColumnName = Field("completion", description="Wanted completion (SFT).")
    messages: ColumnName = Field(
        "messages",
        description="Chat: a list of {role, content}, where a task takes chats. Used where the file has this column.",
    )
    tools: ColumnName = Field(
        "tools", description="Tools that the assistant of the chat may call, as JSON schemas (SFT). Optional."
    )
    chosen: ColumnName = Field("chosen", description="The better answer: text or messages (Reward, DPO, ORPO).")
    rejected: ColumnName = Field("rejected", description="The worse answer: text or messages (Reward, DPO, ORPO).")
    margin: ColumnName = Field(
        "margin", description="By how much the chosen answer is better, a number (Reward). Optional."
    )
    source: ColumnName = Field("source", description="Text to read (Seq2Seq).")
    target: ColumnName = Field("target", description="Text to write (Seq2Seq).")


class DatasetSpec(ApiModel):
    """The data."""

    rules = (
        Rule(
            "!has(self.template) || self.template.matches('(^|[^{])([{][{])*[{][^{}]+[}]')",
            "names no column: put at least one in braces, such as '{title}'",
            field_path=".template",
        ),
    )

    train: DataSource = Field(description="Rows to learn from.")
    evaluation: EvaluationData = Field(
        default=EvaluationData(fraction=0.1),
        description="Held-out rows that tuned and base model are judged by.",
    )
    test: DataSource | None = Field(
        None, description="Rows that the tuned model is judged by once, at the very end; their figures are test_*."
    )
    columns: Columns = Field(
        default=Columns(),
        description="Which columns hold what. A column that the file lacks is taken from one of another common name,"
        " such as instruction for prompt, unless it is named here; the log says so.",
    )
    filter: list[Condition] | None = Field(
        None, max_length=16, description="Only rows that meet all of these conditions are used, in all files."
    )
    template: str | None = Field(
        None,
        min_length=1,
        max_length=8192,
        description="Builds the input text (the prompt, for SFT) from columns, such as"
        " 'Title: {title} Review: {body}'. Literal braces are doubled. Replaces columns.text or columns.prompt.",
    )
    limit: int | None = Field(
        None, ge=1, le=2_147_483_647, description="Use at most this many training rows, after shuffling."
    )
    seed: int = Field(42, ge=0, le=4294967295, description="Seed of shuffling and splitting.")
    truncation_warning_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of the training rows' tokens that spec.training.maxLength may cut off before the status"
        " warns of it.",
    )
    secret_ref: SecretRef | None = Field(None, description="Credentials for all data sources.")

    @property
    def uris(self) -> tuple[str, ...]:
        """All data that is read."""
        return (*self.train.uris, *self.evaluation.uris, *(self.test.uris if self.test else ()))
