"""Task TokenClassification: named entities, as a tag for each word."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.token_classification import TokenClassificationOptions
from finetune_trainer.data.class_names import Nameless
from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.data.structured import list_in
from finetune_trainer.data.template import FIELD as TEMPLATE_FIELD
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.heads import load_classifier
from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import FIELD as MODEL_FIELD
from finetune_trainer.models.loading import Loaded, LoadPlan, load_tokenizer
from finetune_trainer.records import Evaluation, Labels, Sample
from finetune_trainer.tasks.classification.classification_target import value_of
from finetune_trainer.tasks.recipe import EvaluationPlan, Recipe, Row, TrainerParts
from finetune_trainer.tasks.tagging.iob2 import BEGIN, INSIDE, OUTSIDE, check_tags, spans, tags_of, type_of
from finetune_trainer.tasks.tagging.subwords import first_subwords
from finetune_trainer.tasks.text.batching import by_length, pad_right
from finetune_trainer.tasks.text.truncation import NOT_FOR_MODEL, dropped_tokens

TYPES_FIELD = "spec.tokenClassification.entityTypes"
IGNORED = -100
"""Label of a token that does not count towards the loss; the value that PyTorch's cross-entropy skips."""
SAMPLES = 5
UNTRAINED_HEAD = "The base model has no head for these tags: its figures are those of a head with random weights."


class TokenClassification(Recipe):
    """Rows are {tokens, tags}: a sentence's words, and a tag for each."""

    pipeline_tag = "token-classification"
    peft_task_type = "TOKEN_CLS"
    usage = 'find = pipeline("token-classification", model=folder, aggregation_strategy="first")\nprint(find({input}))'

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        if self.template:
            raise BadSpec(
                f"{TEMPLATE_FIELD}: task TokenClassification reads words and tags, no template; remove it",
                TEMPLATE_FIELD,
            )
        self._options = request.token_classification or TokenClassificationOptions()
        self._tags = tags_of(self._options.entity_types) if self._options.entity_types else ()

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: words, as many tags as words, in IOB2, and all of them known."""
        tokens = _texts(values, self.columns.tokens, "tokens")
        tags = _texts(values, self.columns.tags, "tags")
        if not tokens:
            raise RowError(self.columns.tokens, "no word", "at least one; remove the row")
        if len(tokens) != len(tags):
            raise RowError(self.columns.tags, f"{len(tags)} tags for {len(tokens)} words", "one tag for each word")
        check_tags(tags, self.columns.tags)
        allowed = labels or self._tags
        unknown = next((tag for tag in tags if allowed and tag not in allowed), None)
        if unknown:
            raise RowError(self.columns.tags, show(unknown), f"one of {', '.join(allowed[:11])} ({TYPES_FIELD})")
        return {"tokens": tokens, "tags": tags}

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return O, and B- and I- of each type: the spec's, or the sorted ones of the rows."""
        types = {type_of(tag) for row in rows for tag in row["tags"]} - {None}
        if not types:
            raise problems.fail(f"none of {len(rows)} rows has an entity: all tags are {OUTSIDE}")
        return self._tags or tags_of(sorted(str(name) for name in types))

    def load(self, folder: Path, plan: LoadPlan, labels: Labels) -> Loaded:
        """Load the model with a head for the tags; a head that is not in the folder starts random, by the seed."""
        from transformers import AutoModelForTokenClassification

        # Byte-level tokenizers know a word by the blank before it, which words that are split already lack.
        tokenizer = load_tokenizer(folder, add_prefix_space=True)
        if not tokenizer.is_fast:
            raise BadSpec(
                "the model's tokenizer has no tokenizer.json, which tells words apart; export it", MODEL_FIELD
            )
        model, fresh = load_classifier(AutoModelForTokenClassification, folder, plan, tokenizer, labels)
        model.config.pad_token_id = tokenizer.pad_token_id
        return Loaded(model, tokenizer, tuple(fresh))

    def encode(self, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
        """Tokenize the words; `labels` are the tags' numbers at words' first sub-words, and -100 elsewhere."""
        numbers = loaded.model.config.label2id
        encoded = []
        for inputs, row in zip(_tokenized(rows, loaded, max_length), rows, strict=True):
            tags = [IGNORED] * len(inputs["input_ids"])
            word_ids = inputs.pop("word_ids")
            firsts = list(first_subwords(word_ids))
            for position, word in firsts:
                tags[position] = numbers[row["tags"][word]]
            if self._options.label_all_tokens:
                tags = _with_later_subwords(tags, word_ids, row["tags"], numbers)
            if firsts:
                encoded.append({**inputs, "labels": tags})
        return encoded

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return a Trainer that pads each batch to its longest row."""
        from transformers import DataCollatorForTokenClassification, Trainer, TrainingArguments

        return Trainer(
            model=parts.loaded.model,
            args=TrainingArguments(**parts.arguments),
            train_dataset=parts.rows,
            data_collator=DataCollatorForTokenClassification(parts.loaded.tokenizer),
            compute_loss_func=_mean_loss,
            callbacks=parts.callbacks,
        )

    def evaluate(self, loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> Evaluation:
        """Return the loss, F1 and its kin, by entity type too, and the entities in the first rows.

        A word's tag is that of its first sub-word; words beyond the cut are taken to be outside of all entities.
        """
        from finetune_trainer.tasks.tagging.entity_metrics import entity_figures

        loss, predictions = _predictions(loaded, rows, plan)
        truth = [row["tags"] for row in rows]
        figures = {"loss": loss, **entity_figures(truth, predictions)}
        metrics = plan.own_metrics.added(figures, predictions, truth)
        samples = tuple(
            Sample(" ".join(row["tokens"]), _in_words(row["tokens"], row["tags"]), _in_words(row["tokens"], tags))
            for row, tags in list(zip(rows, predictions, strict=True))[:SAMPLES]
        )
        return Evaluation(metrics, samples, note=UNTRAINED_HEAD if loaded.fresh else None)


def _mean_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Return the mean cross-entropy over all labelled tokens of an optimizer step."""
    from torch.nn.functional import cross_entropy

    items = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    logits = outputs.logits.float()
    return cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum") / items


def _predictions(loaded: Loaded, rows: list[Row], plan: EvaluationPlan) -> tuple[float, list[list[str]]]:
    """Return the mean loss of the words' tags, and the likeliest tag of each word in each row."""
    import torch

    model = plan.device.place(loaded.model)
    names, numbers = model.config.id2label, model.config.label2id
    inputs = _tokenized(rows, loaded, plan.max_length)
    firsts = [list(first_subwords(row.pop("word_ids"))) for row in inputs]
    predictions = [[OUTSIDE] * len(row["tokens"]) for row in rows]
    total, count = 0.0, 0
    with torch.no_grad(), plan.device.autocast():
        for indices in by_length(inputs, plan.batch_size):
            batch = [{name: inputs[i][name] for name in inputs[i] if name not in NOT_FOR_MODEL} for i in indices]
            logits = model(**pad_right(batch, loaded.tokenizer).to(plan.device.name)).logits.float().cpu()
            for of_row, index in zip(logits, indices, strict=True):
                chosen = of_row[[position for position, _ in firsts[index]]]
                truth = torch.tensor(
                    [numbers[rows[index]["tags"][word]] for _, word in firsts[index]], dtype=torch.long
                )
                total += float(torch.nn.functional.cross_entropy(chosen, truth, reduction="sum"))
                count += len(truth)
                for (_, word), tag in zip(firsts[index], chosen.argmax(dim=1).tolist(), strict=True):
                    predictions[index][word] = names[tag]
    return total / max(count, 1), predictions


def _tokenized(rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
    """Return the model's inputs for each row, with the word of each token under `word_ids`."""
    length = usable_length(loaded.model, loaded.tokenizer, max_length).tokens
    words = [row["tokens"] for row in rows]
    tokens = loaded.tokenizer(words, is_split_into_words=True, truncation=True, max_length=length)
    return [
        {
            **{name: tokens[name][index] for name in tokens},
            "word_ids": encoding.word_ids,
            **dropped_tokens(encoding),
        }
        for index, encoding in enumerate(tokens.encodings)
    ]


def _with_later_subwords(
    labels: list[int], word_ids: list[int | None], tags: list[str], numbers: dict[str, int]
) -> list[int]:
    """Return the labels with those of words' later sub-words: the word's own tag, I- where it begins an entity."""
    return [
        numbers[INSIDE + tags[word].removeprefix(BEGIN) if tags[word].startswith(BEGIN) else tags[word]]
        if label == IGNORED and word is not None
        else label
        for label, word in zip(labels, word_ids, strict=True)
    ]


def _texts(values: dict[str, Any], column: str, field: str) -> list[str]:
    """Return a column's texts: a list of them, which may stand in a text, or one text with blanks between."""
    value = value_of(values, column, field)
    listed = list_in(value)
    texts = listed.split() if isinstance(listed, str) else listed
    if not isinstance(texts, list):
        raise RowError(column, show(value), "a list of texts")
    for number, text in enumerate(texts, 1):
        if isinstance(text, Nameless):
            raise RowError(column, f"{text} as item {number}, which stands for no class of the file", "a class's name")
        if not isinstance(text, str) or not text.strip():
            raise RowError(column, f"{show(text)} as item {number}", "texts in quotes, none of them empty")
    return texts


def _in_words(tokens: list[str], tags: list[str]) -> str:
    """Return the entities for people: Ada Lovelace (PER), London (LOC)."""
    found = [f"{' '.join(tokens[span.first : span.last + 1])} ({span.type})" for span in spans(tags)]
    return ", ".join(found) or "(none)"
