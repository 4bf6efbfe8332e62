"""A sequence classifier: texts to labels with probabilities, or to numbers."""

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import torch

from finetune_api.tasks.sequence_classification import DEFAULT_THRESHOLD
from finetune_trainer.models.limits import usable_length
from finetune_trainer.serving.errors import no_ranking
from finetune_trainer.tasks.text.batching import pad_right
from finetune_trainer.tasks.text.truncation import TRUNCATED, cut_texts

BATCH_SIZE = 32


class Classifier:
    """A loaded model with its tokenizer; `classify` may be called from many threads."""

    described: ClassVar[str] = "a classifier; use /v1/classify"

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.context_tokens = usable_length(model, tokenizer).tokens
        self._labels = [model.config.id2label[index] for index in range(model.config.num_labels)]
        self._multi_label = model.config.problem_type == "multi_label_classification"
        self._threshold: float | None = getattr(model.config, "threshold", None)
        self._regression = model.config.problem_type == "regression"

    def classify(self, texts: list[str], top_k: int | None, cancelled: threading.Event) -> Iterator[dict[str, Any]]:
        """Yield for each text its best label and the scores of all (or the `top_k` best), highest first.

        Scores are probabilities in [0, 1]; they add up to 1 unless the model is a multi-label one, whose `labels` are
        all those that reach its threshold. A regression model's `score` is the number that it tells. `truncated`
        says that the text was longer than the model can read. Raises ApiError 400 for `top_k` of a regression model.
        """
        if top_k and self._regression:
            raise no_ranking()
        for start in range(0, len(texts), BATCH_SIZE):
            if cancelled.is_set():
                return
            yield from self._classify_batch(texts[start : start + BATCH_SIZE], top_k)

    def _classify_batch(self, texts: list[str], top_k: int | None) -> Iterator[dict[str, Any]]:
        rows = cut_texts(texts, self._tokenizer, self.context_tokens)
        truncated = [bool(row.pop(TRUNCATED, 0)) for row in rows]
        with torch.inference_mode():
            logits = self._model(**pad_right(rows, self._tokenizer).to(self._model.device)).logits.float()
        if self._regression:
            for number, cut in zip(logits[:, 0].tolist(), truncated, strict=True):
                yield {"score": number, "truncated": cut}
            return
        probabilities = torch.sigmoid(logits) if self._multi_label else torch.softmax(logits, dim=-1)
        for row, cut in zip(probabilities.tolist(), truncated, strict=True):
            yield self._result(row, top_k, truncated=cut)

    def _result(self, row: list[float], top_k: int | None, truncated: bool) -> dict[str, Any]:
        ranked = sorted(zip(self._labels, row, strict=True), key=lambda pair: -pair[1])
        scores = [{"label": label, "score": score} for label, score in ranked[:top_k]]
        result: dict[str, Any] = {**scores[0], "scores": scores, "truncated": truncated}
        if self._multi_label:
            least = DEFAULT_THRESHOLD if self._threshold is None else self._threshold
            result["labels"] = [label for label, score in ranked if score >= least]
        return result
