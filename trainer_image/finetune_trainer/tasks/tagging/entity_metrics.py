"""Figures of a model that finds entities, by seqeval."""

from typing import Any

from seqeval.metrics import accuracy_score
from seqeval.metrics.v1 import classification_report
from seqeval.scheme import IOB2, Entities

from finetune_trainer.tasks.tagging.iob2 import OUTSIDE

FIGURES = {"f1": "f1-score", "precision": "precision", "recall": "recall"}
MOST_TYPES = 20
"""With more types, figures of each would crowd out all others."""


def entity_figures(truth: list[list[str]], predictions: list[list[str]]) -> dict[str, float]:
    """Judge the tags of each word in each row: an entity is right if its type and all its words are (strict IOB2).

    `accuracy` is of the words' tags. What is not defined is left out: the F1 of a type that no row has, the recall
    where no row has an entity, the precision where none is predicted.
    """
    metrics = {"accuracy": float(accuracy_score(truth, predictions))}
    if all(tag == OUTSIDE for tags in (*truth, *predictions) for tag in tags):
        return metrics
    report: dict[str, dict[str, Any]] = classification_report(
        truth, predictions, scheme=IOB2, zero_division=0, output_dict=True
    )
    means = {name: report.pop(name) for name in ("micro avg", "macro avg", "weighted avg")}
    overall = {name: float(means["micro avg"][key]) for name, key in FIGURES.items()}
    for name, tags in (("recall", truth), ("precision", predictions)):
        if not any(Entities(tags, IOB2).entities):
            del overall[name]
    known = {name: float(entry["f1-score"]) for name, entry in report.items() if entry["support"]}
    by_type = {f"f1_{name}": known[name] for name in sorted(known)} if len(known) <= MOST_TYPES else {}
    return {**overall, **metrics, **by_type}
