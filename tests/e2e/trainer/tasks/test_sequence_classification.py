"""Multi-label, regression and class weights: the losses of a plain loop, and what is published."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.e2e.trainer.plain_loop import expect_equal, plain_losses, seeded, trained_losses
from tests.e2e.trainer.tiny_data import BAD, reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

WORDS = ("film", "good", "long")


def _multi_label_rows() -> list[dict[str, Any]]:
    """The reviews, labelled by what they are about, what they think, and how long they are: up to three labels."""
    return [
        {
            "text": row["text"],
            "labels": [
                name
                for name, holds in zip(
                    WORDS,
                    ("film" in row["text"], row["label"] == "good", "terrible" in row["text"]),
                    strict=True,
                )
                if holds
            ],
        }
        for row in reviews()
    ]


def _regression_rows() -> list[dict[str, Any]]:
    return [{"text": row["text"], "label": len(row["text"]) / 10} for row in reviews()]


def _imbalanced_rows() -> list[dict[str, Any]]:
    return [row for row in reviews() if row["label"] == "good" or BAD[0] in row["text"]]


def _plain(site: Site, rows: list[dict[str, Any]], outputs: int, loss_of: Any) -> list[float]:
    folder = site.volumes / "models/encoder"
    model = seeded(lambda: AutoModelForSequenceClassification.from_pretrained(folder, num_labels=outputs))
    batch = AutoTokenizer.from_pretrained(folder)([row["text"] for row in rows], padding=True, return_tensors="pt")
    return plain_losses(model, batch, loss_of)


def _trained(site: Site, rows: list[dict[str, Any]], batches: dict[str, int], **options: Any) -> list[float]:
    return trained_losses(
        site,
        batches=batches,
        task="SequenceClassification",
        model={"source": "pvc://models/encoder"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("e.jsonl", rows)},
        },
        sequenceClassification=options,
    )


def _published(site: Site) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the published config and the figures."""
    folder = site.published()
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    report: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return config, report["evaluation"]


def test_multi_label_has_the_losses_of_a_plain_loop_and_keeps_names_and_threshold(site: Site):
    rows = _multi_label_rows()
    truth = torch.tensor([[float(name in row["labels"]) for name in WORDS] for row in rows])
    assert not truth.any(dim=1).all(), "a row without labels belongs to the test"
    positives = truth.sum(dim=0)
    weights = (len(rows) - positives) / positives

    def loss_of(logits: torch.Tensor) -> torch.Tensor:
        probabilities = torch.sigmoid(logits)
        return -(weights * truth * probabilities.log() + (1 - truth) * (1 - probabilities).log()).mean()

    plain = _plain(site, rows, 3, loss_of)
    options = {"problemType": "MultiLabel", "threshold": 0.3, "classWeights": {"method": "Balanced"}}
    expect_equal(_trained(site, rows, {"batchSize": 8, "gradientAccumulationSteps": 3}, **options), plain)
    config, evaluation = _published(site)
    assert config["problem_type"] == "multi_label_classification"
    assert config["threshold"] == 0.3
    assert config["id2label"] == {"0": "film", "1": "good", "2": "long"}
    assert {"f1_micro", "f1_macro", "jaccard", "subset_accuracy", "hamming_loss", "roc_auc_film"} <= evaluation[
        "metrics"
    ].keys()
    assert evaluation["samples"][0]["expected"] == "film, good"


def test_regression_has_the_losses_of_a_plain_loop(site: Site):
    rows = _regression_rows()
    truth = torch.tensor([row["label"] for row in rows])
    plain = _plain(site, rows, 1, lambda logits: (logits[:, 0] - truth).square().mean())
    trained = _trained(site, rows, {"batchSize": 8, "gradientAccumulationSteps": 3}, problemType="Regression")
    expect_equal(trained, plain)
    config, evaluation = _published(site)
    assert config["problem_type"] == "regression"
    assert load_file(site.published() / "model.safetensors")["classifier.weight"].shape == (1, 32)
    assert {"loss", "mse", "mae", "r2"} <= evaluation["metrics"].keys()
    assert evaluation["metrics"]["loss"] == evaluation["metrics"]["mse"]


@pytest.mark.parametrize(
    ("spec", "weights"),
    [
        ({"method": "Balanced"}, (16 / (2 * 4), 16 / (2 * 12))),
        ({"method": "PerLabel", "perLabel": {"bad": 2.5}}, (2.5, 1.0)),
    ],
)
def test_class_weights_have_the_losses_of_a_plain_loop(site: Site, spec: dict[str, Any], weights: tuple[float, float]):
    rows = _imbalanced_rows()
    truth = torch.tensor([("bad", "good").index(row["label"]) for row in rows])
    assert truth.bincount().tolist() == [4, 12]
    each = torch.tensor(weights)[truth]

    def loss_of(logits: torch.Tensor) -> torch.Tensor:
        wanted = torch.log_softmax(logits, dim=1)[torch.arange(len(truth)), truth]
        return -(each * wanted).sum() / len(truth)

    expect_equal(_trained(site, rows, {"batchSize": 16}, classWeights=spec), _plain(site, rows, 2, loss_of))
