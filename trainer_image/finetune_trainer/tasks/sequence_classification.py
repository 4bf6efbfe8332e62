"""Task SequenceClassification: one label, any number of labels, or a number for each text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.sequence_classification import ProblemType, SequenceClassificationOptions
from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.models.heads import load_classifier
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded, LoadPlan, load_model, load_tokenizer
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.tasks.classification.classification_target import Target, text_of
from finetune_trainer.tasks.classification.multi_label import MultiLabel
from finetune_trainer.tasks.classification.regression import Regression
from finetune_trainer.tasks.classification.single_label import SingleLabel
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row, TrainerParts
from finetune_trainer.tasks.text.batching import by_length, pad_right
from finetune_trainer.tasks.text.truncation import NOT_FOR_MODEL, cut_texts

SAMPLES = 5
UNTRAINED_HEAD = (
    "The base model has no classification head for these labels: its figures are those of a head with random weights."
)
TARGETS: dict[ProblemType, type[Target]] = {
    ProblemType.SINGLE_LABEL: SingleLabel,
    ProblemType.MULTI_LABEL: MultiLabel,
    ProblemType.REGRESSION: Regression,
}


class SequenceClassification(Recipe):
    """Rows are {text, label}; the form of the label is the target's."""

    pipeline_tag = "text-classification"
    peft_task_type = "SEQ_CLS"
    usage = 'classify = pipeline("text-classification", model=folder, top_k=None)\nprint(classify({input}))'

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        options = request.sequence_classification or SequenceClassificationOptions()
        self._target = TARGETS[options.problem_type](options, self.columns)

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: a text that is not blank, and what it teaches."""
        text = self.template.fill(values) if self.template else text_of(values, self.columns.text, "text")
        if not text.strip():
            raise RowError(self.columns.text, show(text), "a text; remove the row if there is none")
        return {"text": text, "label": self._target.parse(values, labels)}

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return the spec's labels, or the sorted ones of the rows; none for numbers."""
        return self._target.labels_of(rows, problems)

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load the model with a head for `labels`; a head that is not in the folder starts random, by the seed.

        Without labels it has one output, for a number.
        """
        from transformers import AutoModelForSequenceClassification as AnyClassifier

        tokenizer = load_tokenizer(folder)
        if labels:
            model, fresh = load_classifier(AnyClassifier, folder, plan, tokenizer, labels)
        else:
            options: dict[str, Any] = {"num_labels": 1, "ignore_mismatched_sizes": True}
            model, fresh = load_model(AnyClassifier, folder, plan, tokenizer, **options)
        model.config.problem_type = self._target.problem_type
        model.config.pad_token_id = tokenizer.pad_token_id
        if self._target.threshold is not None:
            model.config.threshold = self._target.threshold
        return Loaded(model, tokenizer, tuple(fresh))

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Tokenize the texts, and put what they teach as the loss takes it."""
        length = usable_length(loaded.model, loaded.tokenizer, max_length).tokens
        inputs = cut_texts([row["text"] for row in rows], loaded.tokenizer, length)
        labels = _label_names(loaded)
        return [
            {**tokens, "labels": self._target.encode(row["label"], labels)}
            for tokens, row in zip(inputs, rows, strict=True)
        ]

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return a Trainer that pads each batch to its longest row."""
        from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

        return Trainer(
            model=parts.loaded.model,
            args=TrainingArguments(**parts.arguments),
            train_dataset=parts.rows,
            data_collator=DataCollatorWithPadding(parts.loaded.tokenizer),
            compute_loss_func=self._target.loss(parts.rows["labels"], _label_names(parts.loaded)),
            callbacks=parts.callbacks,
        )

    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Return the target's figures, and the first rows as samples."""
        encoded = self.encode(rows, loaded, plan.max_length)
        judgement = self._target.judge(
            _logits(loaded, encoded, plan), [row["labels"] for row in encoded], _label_names(loaded)
        )
        pairs = list(zip(rows, judgement.outputs, strict=True))[:SAMPLES]
        samples = tuple(Sample(row["text"], self._target.in_words(row["label"]), output) for row, output in pairs)
        metrics = plan.own_metrics.added(judgement.metrics, judgement.predictions, judgement.references)
        return Evaluation(metrics, samples, judgement.confusion, UNTRAINED_HEAD if loaded.fresh else None)


def _label_names(loaded: Loaded) -> Labels:
    """Return the label names in the order of the model's outputs."""
    config = loaded.model.config
    return tuple(config.id2label[index] for index in range(config.num_labels))


def _logits(loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> Any:
    """Return the model's outputs, float32 [rows, outputs], in the order of the rows."""
    import torch

    model = plan.device.place(loaded.model)
    logits = torch.empty(len(encoded), model.config.num_labels)
    inputs = [{name: row[name] for name in row if name not in NOT_FOR_MODEL} for row in encoded]
    with torch.no_grad(), plan.device.autocast():
        for indices in by_length(inputs, plan.batch_size):
            batch = pad_right([inputs[index] for index in indices], loaded.tokenizer)
            logits[indices] = model(**batch.to(plan.device.name)).logits.float().cpu()
    return logits
