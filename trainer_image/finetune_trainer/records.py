"""What each stage leaves to the next ones: the content of the markers in the workspace.

Paths are relative to the run's folder, so that a workspace can be moved; absolute ones lie on a mounted volume.
"""

from dataclasses import dataclass, field

Labels = tuple[str, ...]


@dataclass(frozen=True)
class RowCounts:
    """What became of the rows of one block's files: those that were read, and of these the dropped ones."""

    files: int
    read: int
    filtered: int
    blank: int


@dataclass(frozen=True)
class DataRecord:
    """The rows, checked and split. `labels` are the class names in the order of the outputs; empty for SFT.

    `label_counts` says how often the training rows teach each label; `counts` has a RowCounts for each of train,
    evaluation and test that has files of its own; `revisions` the commits of the Hub's datasets, by URI; `warnings` is
    what a person should know of rows that can be used.
    """

    train_file: str
    evaluation_file: str
    train_rows: int
    evaluation_rows: int
    counts: dict[str, RowCounts]
    warnings: tuple[str, ...]
    labels: Labels = ()
    label_counts: dict[str, int] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    test_file: str | None = None
    test_rows: int = 0


@dataclass(frozen=True)
class ModelRecord:
    """The base model's folder. `revision` is the Hub's commit; `weight_dtype` how its weights are stored.

    `others` are the folders of the models that the task needs beside it, by name; `code` the digests of the user's own
    code, by name.
    """

    folder: str
    revision: str | None
    architecture: str
    weight_dtype: str
    others: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One input beside what was wanted and what the model made of it."""

    input: str
    expected: str | None
    output: str


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on the held-out rows. `confusion` has a row for each true label; empty for SFT."""

    metrics: dict[str, float]
    samples: tuple[Sample, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class TokenCounts:
    """Lengths of the encoded training rows, in tokens; 0 where the task encodes while it trains.

    `rows_left_out` are those that teach nothing within `row_limit`, the most tokens that a row may have, which
    `row_limit_source` sets.
    """

    rows: int
    rows_left_out: int = 0
    tokens: int = 0
    tokens_p50: int = 0
    tokens_p95: int = 0
    tokens_max: int = 0
    truncated_rows: int = 0
    truncated_tokens: int = 0
    row_limit: int = 0
    row_limit_source: str = ""

    @property
    def truncated_share(self) -> float:
        """The share of all tokens that was cut off."""
        return self.truncated_tokens / max(1, self.tokens + self.truncated_tokens)


@dataclass(frozen=True)
class LogitDifference:
    """How far two models' answers to the same rows lie apart.

    `largest` is between two logits, `share` that of the largest logit, `agreement` the share of answers (tokens, or
    labels) that are the same; None where a model gives a single number.
    """

    largest: float
    share: float
    agreement: float | None
    rows: int
    answers: int


@dataclass(frozen=True)
class MergeRecord:
    """What the adapters were merged into, and how the merged model answers beside the adapters.

    `other_base` is the merge into the other base that QLoRA knows, beside this one.
    """

    base: str
    tolerance: float
    difference: LogitDifference
    other_base: LogitDifference | None = None


@dataclass(frozen=True)
class TrainRecord:
    """The tuned model's folder (merged, in safetensors) and how it was reached.

    `runtime_seconds` is how long the loop of the last attempt took. `history` has what was reported by the way, an
    entry for each reporting interval: step, loss, learning_rate and the task's own figures.
    """

    folder: str
    steps: int
    epochs: float
    metrics: dict[str, float]
    trainable_parameters: int
    total_parameters: int
    resumed_from_step: int | None
    loss_history: tuple[tuple[int, float], ...] = ()
    history: tuple[dict[str, float], ...] = ()
    tokens: TokenCounts | None = None
    runtime_seconds: float = 0.0
    merge: MergeRecord | None = None


@dataclass(frozen=True)
class EvaluateRecord:
    """Tuned and base model side by side; no baseline if the spec asks for none.

    `test` is the tuned model on the test rows, if the spec names any; `metric_code` the digests of the user's own
    metrics, by name.
    """

    tuned: Evaluation
    baseline: Evaluation | None
    test: Evaluation | None = None
    metric_code: dict[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The tuned model's figures; those on the test rows are called test_*."""
        tested = self.test.metrics if self.test else {}
        return {**self.tuned.metrics, **{f"test_{name}": value for name, value in tested.items()}}


@dataclass(frozen=True)
class Results:
    """All that is known when a run is written up."""

    data: DataRecord
    model: ModelRecord
    train: TrainRecord
    evaluate: EvaluateRecord


@dataclass(frozen=True)
class ExportRecord:
    """The folder to publish, with its manifest's digest."""

    folder: str
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class PushRecord:
    """Where the folder was published."""

    uri: str
    digest: str
    size_bytes: int
    base_revision: str | None
