"""What /v1/classify says of models for several labels, for numbers and for entities."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification, BertForTokenClassification

from finetune_trainer.serving.engines.classifier import Classifier
from finetune_trainer.serving.engines.entity_finder import EntityFinder
from finetune_trainer.serving.engines.loading import load_model
from finetune_trainer.serving.errors import ApiError
from tests.e2e.trainer.tiny_models import make_encoder

TEXTS = ["a warm film", "a dull story"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    make_encoder(folder)
    return folder


def _save(encoder: Path, folder: Path, model_class: Any, threshold: float | None = None, **config: Any) -> Any:
    """Save a model with a random head over `encoder`; return it."""
    torch.manual_seed(1)
    model = model_class.from_pretrained(encoder, **config)
    torch.nn.init.normal_(model.classifier.weight, std=2.0)
    if threshold is not None:
        model.config.threshold = threshold
    model.save_pretrained(folder)
    for file in encoder.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return model.eval()


def _logits(model: Any, folder: Path, text: str) -> torch.Tensor:
    tokens = load_model(folder)._tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        logits: torch.Tensor = model(**tokens).logits[0]
    return logits


@pytest.mark.parametrize("threshold", [None, 0.05, 0.95])
def test_labels_that_reach_the_published_threshold_are_given(encoder: Path, tmp_path: Path, threshold: float | None):
    names = dict(enumerate(["long", "sad", "war"]))
    model = _save(
        encoder,
        tmp_path,
        BertForSequenceClassification,
        problem_type="multi_label_classification",
        id2label=names,
        label2id={name: index for index, name in names.items()},
        threshold=threshold,
    )
    served = load_model(tmp_path)
    assert isinstance(served, Classifier)
    for text, answer in zip(TEXTS, served.classify(TEXTS, None, threading.Event()), strict=True):
        probabilities = torch.sigmoid(_logits(model, tmp_path, text)).tolist()
        scores = {entry["label"]: entry["score"] for entry in answer["scores"]}
        assert [scores[names[index]] for index in range(3)] == pytest.approx(probabilities, abs=1e-5)
        wanted = {names[index] for index, value in enumerate(probabilities) if value >= (threshold or 0.5)}
        assert set(answer["labels"]) == wanted


def test_a_regression_model_tells_its_number(encoder: Path, tmp_path: Path):
    model = _save(encoder, tmp_path, BertForSequenceClassification, problem_type="regression", num_labels=1)
    served = load_model(tmp_path)
    assert isinstance(served, Classifier)
    with pytest.raises(ApiError, match="ranks no labels"):
        next(served.classify(TEXTS, 2, threading.Event()))
    answers = list(served.classify(TEXTS, None, threading.Event()))
    wanted = [float(_logits(model, tmp_path, text)[0]) for text in TEXTS]
    assert [answer["score"] for answer in answers] == pytest.approx(wanted, abs=1e-5)
    assert [answer.keys() for answer in answers] == [{"score", "truncated"}] * 2


def test_a_words_first_subword_decides_and_words_beyond_the_limit_are_not_read(encoder: Path, tmp_path: Path):
    names = dict(enumerate(["O", "B-X", "I-X"]))
    model = _save(encoder, tmp_path, BertForTokenClassification, id2label=names)
    served = load_model(tmp_path)
    assert isinstance(served, EntityFinder)
    words = ["Tina", "finds", "wonderful", "kettles", "."]
    pieces = [served._tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    assert max(map(len, pieces)) > 1
    ids = torch.tensor([[2, *[token for of_word in pieces for token in of_word], 3]])
    with torch.inference_mode():
        probabilities = torch.softmax(model(input_ids=ids).logits[0], dim=-1)
    firsts = [1 + sum(map(len, pieces[:index])) for index in range(len(words))]
    tags = [names[int(probabilities[position].argmax())] for position in firsts]
    short, long, empty = served.classify(
        ["Tina finds wonderful kettles.", "film " * 100, "  "], None, threading.Event()
    )
    inside = [index for index, tag in enumerate(tags) if tag != "O"]
    covered = [
        index
        for index, word in enumerate(words)
        for entity in short["entities"]
        if entity["start"] <= "Tina finds wonderful kettles.".index(word) < entity["end"]
    ]
    assert covered == inside
    if inside:
        assert min(entity["score"] for entity in short["entities"]) >= float(probabilities.max(dim=1).values.min())
    assert [short["truncated"], long["truncated"]] == [False, True]
    assert empty == {"entities": [], "truncated": False}
