"""`spec.dataset`: the rows to learn from and to be judged by."""

from enum import StrEnum

from pydantic import Field

from finetune_api.schema import ApiModel, ColumnName, Rule
from finetune_api.secrets import SecretRef
from finetune_api.sources import uri_rules


class DataFormat(StrEnum):
    """File format of a data source."""

    CSV = "CSV"
    JSONL = "JSONL"


SOURCE_RULES = (
    *uri_rules("source", "s3", "pvc"),
    Rule(
        "!has(self.source) || !self.source.matches('^(s3|pvc)://') || self.source.matches('^[^:]+://[^/]+/(.*[^/])$')",
        "must name a file, not a folder: s3://bucket/path/file.csv or pvc://claim/path/file.jsonl",
        field_path=".source",
    ),
    Rule(
        "!has(self.source) || has(self.format) || self.source.matches('[.](csv|jsonl)$')",
        "must end in .csv or .jsonl, or state the format in the field format",
        field_path=".source",
    ),
)

SOURCE_DESCRIPTION = "Data file: s3://bucket/path/file.csv or pvc://claim/path/file.jsonl."
FORMAT_DESCRIPTION = "File format. Default: by the file's ending, .csv or .jsonl."


class DataSource(ApiModel):
    """One data file."""

    rules = SOURCE_RULES

    source: str = Field(min_length=1, max_length=1024, description=SOURCE_DESCRIPTION)
    format: DataFormat | None = Field(None, description=FORMAT_DESCRIPTION)


class EvaluationData(ApiModel):
    """The held-out rows: a file of their own, or a share of the training rows."""

    rules = (
        Rule(
            "has(self.source) != has(self.fraction)",
            "set exactly one of source (a file of held-out rows) and fraction (a share of the training rows)",
        ),
        Rule(
            "!has(self.format) || has(self.source)",
            "is the format of source; remove it, since fraction takes rows of the training file",
            field_path=".format",
        ),
        *SOURCE_RULES,
    )

    source: str | None = Field(None, min_length=1, max_length=1024, description=SOURCE_DESCRIPTION)
    format: DataFormat | None = Field(None, description=FORMAT_DESCRIPTION)
    fraction: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the training rows that is held out, chosen by spec.dataset.seed.",
    )


class Columns(ApiModel):
    """Which columns of the file hold what. Unset names fall back to the field's own name."""

    text: ColumnName = Field("text", description="Text to classify (SequenceClassification).")
    label: ColumnName = Field("label", description="Label or number of the text (SequenceClassification).")
    labels: ColumnName = Field("labels", description="Labels of the text (SequenceClassification, MultiLabel).")
    tokens: ColumnName = Field("tokens", description="Words of a sentence (TokenClassification).")
    tags: ColumnName = Field("tags", description="Tag of each word: B-TYPE, I-TYPE or O (TokenClassification).")
    prompt: ColumnName = Field("prompt", description="Prompt (SFT, Reward, DPO, ORPO).")
    completion: ColumnName = Field("completion", description="Wanted completion (SFT).")
    messages: ColumnName = Field(
        "messages",
        description="Chat: a list of {role, content} (SFT, JSONL). Used where the file has this column.",
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
    columns: Columns = Field(default=Columns(), description="Which columns hold what.")
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
    secret_ref: SecretRef | None = Field(None, description="Credentials for all data sources.")
