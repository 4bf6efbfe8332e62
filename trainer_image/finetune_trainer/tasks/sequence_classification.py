"""Task SequenceClassification: one label for each text."""

from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.sequence_classification import SequenceClassificationOptions
from finetune_trainer.data.problems import MissingColumnError, Problems, RowError, show
from finetune_trainer.data.template import listed
from finetune_trainer.loading import Loaded, LoadPlan, load_model, load_tokenizer, longest_input
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.tasks.batching import by_length, pad_right
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row, TrainerParts

LABELS_FIELD = "spec.sequenceClassification.labels"
SAMPLES = 5
UNTRAINED_HEAD = "The base model has no classification head: its figures are those of a head with random weights."


class SequenceClassification(Recipe):
    """Rows are {text, label}."""

    pipeline_tag = "text-classification"
    peft_task_type = "SEQ_CLS"
    usage = 'classify = pipeline("text-classification", model=folder)\nprint(classify({input}))'

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        options = request.sequence_classification or SequenceClassificationOptions()
        self._labels: Labels = tuple(options.labels or ())

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: a text that is not blank, and a known label."""
        text = self.template.fill(values) if self.template else _string(values, self.columns.text, "text")
        if not text.strip():
            raise RowError(self.columns.text, show(text), "a text; remove the row if there is none")
        label = _label(values, self.columns.label)
        allowed = labels or self._labels
        if allowed and label not in allowed:
            raise RowError(self.columns.label, show(label), f"one of {', '.join(allowed[:10])} ({LABELS_FIELD})")
        return {"text": text, "label": label}

    def labels_of(self, rows: list[Row], problems: Problems) -> Labels:
        """Return the spec's labels, or the sorted ones of the rows, of which there must be two."""
        seen = sorted({row["label"] for row in rows})
        if len(seen) < 2:
            raise problems.fail(f"all {len(rows)} rows have the label {seen[0]!r}; expected at least two labels")
        return self._labels or tuple(seen)

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load the model with a head for `labels`; a head that is not in the folder starts random, by the seed."""
        from transformers import AutoModelForSequenceClassification

        tokenizer = load_tokenizer(folder)
        model, fresh = load_model(
            AutoModelForSequenceClassification,
            folder,
            plan,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            ignore_mismatched_sizes=True,
        )
        model.config.problem_type = "single_label_classification"
        model.config.pad_token_id = tokenizer.pad_token_id
        return Loaded(model, tokenizer, tuple(fresh))

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Tokenize the texts and number the labels."""
        length = longest_input(loaded.model, loaded.tokenizer, max_length)
        tokens = loaded.tokenizer([row["text"] for row in rows], truncation=True, max_length=length)
        numbers = loaded.model.config.label2id
        return [
            {**{name: tokens[name][index] for name in tokens}, "labels": numbers[row["label"]]}
            for index, row in enumerate(rows)
        ]

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return a Trainer that pads each batch to its longest row."""
        from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

        return Trainer(
            model=parts.loaded.model,
            args=TrainingArguments(**parts.arguments),
            train_dataset=parts.rows,
            data_collator=DataCollatorWithPadding(parts.loaded.tokenizer),
            compute_loss_func=_mean_loss,
            callbacks=parts.callbacks,
        )

    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Return loss, accuracy and their kin, the confusion matrix, and the first rows as samples."""
        from finetune_trainer.tasks.classification_metrics import classification_figures

        encoded = self.encode(rows, loaded, plan.max_length)
        logits = _logits(loaded, encoded, plan)
        names = [loaded.model.config.id2label[index] for index in range(loaded.model.config.num_labels)]
        figures = classification_figures(logits, [row["labels"] for row in encoded])
        outputs = [names[index] for index in figures.predictions]
        return Evaluation(
            figures.metrics, _samples(rows, outputs), figures.confusion, UNTRAINED_HEAD if loaded.fresh else None
        )


def _mean_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Return the mean loss over all rows of an optimizer step.

    The models' own loss is a mean over each forward pass, which Trainer then adds up instead of averaging.
    """
    from torch.nn.functional import cross_entropy

    rows = len(labels) if num_items_in_batch is None else num_items_in_batch
    return cross_entropy(outputs.logits.float(), labels, reduction="sum") / rows


def _logits(loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> Any:
    """Return the model's outputs, float32 [rows, labels], in the order of the rows."""
    import torch

    model = loaded.model.to(plan.device.name).eval()
    logits = torch.empty(len(encoded), model.config.num_labels)
    with torch.no_grad(), plan.device.autocast():
        for indices in by_length(encoded, plan.batch_size):
            batch = pad_right([encoded[index] for index in indices], loaded.tokenizer)
            batch.pop("labels")
            logits[indices] = model(**batch.to(plan.device.name)).logits.float().cpu()
    return logits


def _samples(rows: list[Row], outputs: list[str]) -> tuple[Sample, ...]:
    """Show the first rows, so that tuned and base model can be compared line by line."""
    pairs = list(zip(rows, outputs, strict=True))[:SAMPLES]
    return tuple(Sample(row["text"], row["label"], output) for row, output in pairs)


def _string(values: dict[str, Any], column: str, field: str) -> str:
    if column not in values:
        hint = f"one that holds the {field}; there are {listed(values)}; name it in spec.dataset.columns.{field}"
        raise MissingColumnError(column, "no such column", hint)
    if not isinstance(values[column], str):
        raise RowError(column, show(values[column]), "text in quotes")
    return str(values[column])


def _label(values: dict[str, Any], column: str) -> str:
    if isinstance(values.get(column), int) and not isinstance(values[column], bool):
        return str(values[column])
    label = _string(values, column, "label").strip()
    if not label:
        raise RowError(column, "nothing", "a label; remove the row if there is none")
    return label
