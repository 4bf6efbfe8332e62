"""The examples, from `kubectl apply` to answers of the served model."""

from pathlib import Path

import pytest

from demo.ask import classify, complete, forwarded
from demo.inputs import upload_inputs
from demo.stories import load_manifest, load_story
from tests.e2e.lifecycle.conftest import Bench, phase_is

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]


def run_story(bench: Bench, name: str, cache: Path) -> dict[str, object]:
    upload_inputs(bench.cluster, name, load_story(name), cache)
    bench.apply(load_manifest(name))
    return bench.wait(name, phase_is("Ready", "Failed"), 400)


@pytest.fixture(scope="session")
def cache() -> Path:
    return Path.home() / ".cache" / "finetune-operator" / "models"


def service_of(status: dict) -> str:
    return status["serving"]["url"].removeprefix("http://").split(".")[0]


def test_sentiment_is_learnt_and_served(bench: Bench, cache: Path) -> None:
    status = run_story(bench, "imdb-sentiment", cache)
    try:
        assert status["phase"] == "Ready", status
        tuned, base = status["metrics"]["evaluation"], status["metrics"]["baseline"]
        assert tuned["accuracy"] >= 0.8
        assert tuned["accuracy"] >= base["accuracy"] + 0.2
        assert {"precision", "recall", "specificity", "f1", "roc_auc", "loss"} <= tuned.keys() & base.keys()
        assert status["serving"]["digest"] == status["artifact"]["digest"]
        questions = load_story("imdb-sentiment").classify
        with forwarded(bench.cluster, f"service/{service_of(status)}") as url:
            answers = classify(url, [question.text for question in questions])
        assert [answer["label"] for answer in answers] == [question.label for question in questions]
    finally:
        bench.delete("imdb-sentiment")


def test_product_texts_are_learnt_and_served(bench: Bench, cache: Path) -> None:
    status = run_story(bench, "product-descriptions", cache)
    try:
        assert status["phase"] == "Ready", status
        tuned, base = status["metrics"]["evaluation"], status["metrics"]["baseline"]
        assert tuned["loss"] <= 0.7 * base["loss"]
        assert tuned["perplexity"] < base["perplexity"]
        with forwarded(bench.cluster, f"service/{service_of(status)}") as url:
            text = complete(url, "product-descriptions", load_story("product-descriptions").complete[0])
        assert len(text.split()) >= 5
    finally:
        bench.delete("product-descriptions")
