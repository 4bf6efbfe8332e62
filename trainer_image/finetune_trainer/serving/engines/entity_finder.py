"""A token classifier: texts to the entities in them."""

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import torch

from finetune_trainer.models.limits import usable_length
from finetune_trainer.serving.engines.words import words_in
from finetune_trainer.serving.errors import no_ranking
from finetune_trainer.tasks.tagging.iob2 import OUTSIDE, spans
from finetune_trainer.tasks.tagging.subwords import first_subwords

BATCH_SIZE = 32

Words = list[tuple[int, int]]


class EntityFinder:
    """A loaded model with its tokenizer; `classify` may be called from many threads."""

    described: ClassVar[str] = "a model that finds entities; use /v1/classify"

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.context_tokens = usable_length(model, tokenizer).tokens
        self._tags = [model.config.id2label[index] for index in range(model.config.num_labels)]

    def classify(self, texts: list[str], top_k: int | None, cancelled: threading.Event) -> Iterator[dict[str, Any]]:
        """Yield for each text its entities in order: {label, start, end, text, score}.

        `start` and `end` count characters; `score` is the mean probability of the words' tags. `truncated` says that
        the text was longer than the model can read: in what lies beyond, nothing is found. Raises ApiError 400 for
        `top_k`.
        """
        if top_k:
            raise no_ranking()
        for start in range(0, len(texts), BATCH_SIZE):
            if cancelled.is_set():
                return
            yield from self._classify_batch(texts[start : start + BATCH_SIZE])

    def _classify_batch(self, texts: list[str]) -> Iterator[dict[str, Any]]:
        places = [words_in(text) for text in texts]
        batch = self._tokenizer(
            [[text[start:end] for start, end in words] for text, words in zip(texts, places, strict=True)],
            is_split_into_words=True,
            truncation=True,
            max_length=self.context_tokens,
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            logits = self._model(**batch.to(self._model.device)).logits.float()
        probabilities, tags = torch.softmax(logits, dim=-1).max(dim=-1)
        for row, (text, words, encoding) in enumerate(zip(texts, places, batch.encodings, strict=True)):
            of_words: list[tuple[str, float]] = [(OUTSIDE, 1.0)] * len(words)
            for position, word in first_subwords(encoding.word_ids):
                of_words[word] = (self._tags[int(tags[row, position])], float(probabilities[row, position]))
            yield {"entities": entities(text, words, of_words), "truncated": bool(encoding.overflowing)}


def entities(text: str, words: Words, tags: list[tuple[str, float]]) -> list[dict[str, Any]]:
    """Return the entities that the words' tags mean; `tags` holds a tag with its probability for each word."""
    found = []
    for span in spans(tag for tag, _ in tags):
        start, end = words[span.first][0], words[span.last][1]
        scores = [score for _, score in tags[span.first : span.last + 1]]
        score = sum(scores) / len(scores)
        found.append({"label": span.type, "start": start, "end": end, "text": text[start:end], "score": score})
    return found
