"""Labels that rows do not teach or by which none is judged are warned of."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.trainer.stage_data import prepare, write

SINGLE = [{"text": f"film {n}", "label": label} for n, label in enumerate("abcabc")]
MULTI = [{"text": f"film {n}", "labels": labels} for n, labels in enumerate([["a"], ["b"], ["a", "c"], []])]
WORDS = [{"tokens": ["x", "y"], "tags": tags} for tags in (["B-a", "I-a"], ["B-b", "O"], ["B-c", "O"])]
MARKS = [{"prompt": "x", "completion": f"y{n}", "label": n % 2} for n in range(4)]
UNJUDGED = "spec.dataset.{}: no row has the label {}; the figures do not tell how well that is learnt"
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]], str]] = {
    "one label": ({}, SINGLE, [row for row in SINGLE if row["label"] != "b"], "b"),
    "several labels": ({"sequenceClassification": {"problemType": "MultiLabel"}}, MULTI, MULTI[:2], "c"),
    "types of entities": ({"task": "TokenClassification"}, WORDS, WORDS[:2], "B-c"),
    "marks": ({"task": "KTO"}, MARKS, [row for row in MARKS if row["label"]], "false"),
}


def _warnings(
    folder: Path, train: list[dict[str, Any]], held_out: list[dict[str, Any]], part: str = "evaluation", **changes: Any
) -> tuple[str, ...]:
    for name, rows in (("train", train), (part, held_out)):
        write(folder, f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    evaluation = {"source": "pvc://data/evaluation.jsonl", "fraction": None}
    dataset = {"train": {"source": "pvc://data/train.jsonl"}, "evaluation": evaluation}
    if part == "test":
        write(folder, "evaluation.jsonl", (folder / "data/train.jsonl").read_bytes())
        dataset["test"] = {"source": "pvc://data/test.jsonl"}
    return prepare(folder, **changes, dataset=dataset)[0].warnings


@pytest.mark.parametrize("part", ["evaluation", "test"])
@pytest.mark.parametrize("case", CASES)
def test_held_out_rows_without_a_label_are_warned_of(case: str, part: str, tmp_path: Path):
    changes, train, held_out, absent = CASES[case]
    assert _warnings(tmp_path, train, held_out, part, **changes) == (UNJUDGED.format(part, absent),)
    assert _warnings(tmp_path, train, train, part, **changes) == ()


def test_a_label_of_the_spec_that_no_row_teaches_is_warned_of(tmp_path: Path):
    named = {"sequenceClassification": {"labels": ["a", "b", "c", "d"]}}
    assert "spec.dataset.train: no row to learn from has the label d" in _warnings(tmp_path, SINGLE, SINGLE, **named)


@pytest.mark.parametrize("labels", [[0, 1, -1, 0], ["good", "bad", "-1", "bad"]], ids=str)
def test_minus_one_may_be_no_label(labels: list[Any], tmp_path: Path):
    rows = [{"text": f"film {n}", "label": label} for n, label in enumerate(labels)]
    [words] = _warnings(tmp_path, rows, rows)
    assert "-1 is learnt as a label, in 1 rows" in words
    assert "filter: operator NotIn, values ['-1']" in words


def test_many_absent_labels_are_not_all_listed(tmp_path: Path):
    rows = [{"text": f"film {n}", "label": f"l{n}"} for n in range(9)]
    assert _warnings(tmp_path, rows, rows[:1])[0].startswith(
        "spec.dataset.evaluation: no row has the labels l1, l2, l3, l4, l5 and 3 more"
    )
