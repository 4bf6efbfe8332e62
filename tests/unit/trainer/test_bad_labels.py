"""What people are told about labels, numbers and tags that cannot be learnt."""

from pathlib import Path
from typing import Any

import pytest

from finetune_trainer.errors import BadData, BadSpec
from tests.unit.trainer.test_bad_data import JSONL, prepare, rows_of

CSV = "text,labels\nfine,warm|long\npoor,cold\nfair,\nso so,cold | long\n"
MULTI = {"sequenceClassification": {"problemType": "MultiLabel"}}
NUMBERS = {"sequenceClassification": {"problemType": "Regression"}}
WORDS = {"task": "TokenClassification", **JSONL}
GOOD_NUMBERS = "text,label\na,1\nb,2.5\nc,-3e-1\nd, 4\n"
GOOD_WORDS = (
    '{"tokens": ["Ada", "Lovelace", "slept"], "tags": ["B-PER", "I-PER", "O"]}\n'
    '{"tokens": "Rome slept", "tags": "B-LOC O"}\n'
)


def test_label_sets_are_read_from_texts_and_lists(tmp_path: Path):
    record, _ = prepare(tmp_path, CSV, **MULTI)
    assert record.labels == ("cold", "long", "warm")
    rows = rows_of(tmp_path, CSV, **MULTI)
    assert sorted(row["label"] for row in rows) == [[], ["cold"], ["cold", "long"], ["warm", "long"]]
    listed = '{"text": "a", "labels": ["x", 1]}\n{"text": "b", "labels": []}\n'
    assert [row["label"] for row in rows_of(tmp_path, listed, **MULTI, **JSONL)] in ([["x", "1"], []], [[], ["x", "1"]])
    semicolons = {"sequenceClassification": {"problemType": "MultiLabel", "labelSeparator": ";"}}
    assert prepare(tmp_path, CSV.replace("|", ";"), **semicolons)[0].labels == ("cold", "long", "warm")


MULTI_LABEL_CASES = {
    "no list": ('{"text": "a", "labels": 3}', ["found 3", "a list of labels; [] for none"]),
    "nothing": ('{"text": "a", "labels": null}', ["found null", "[] for none"]),
    "an empty label": ('{"text": "a", "labels": ["x", ""]}', ["'' as a label"]),
    "no text as label": ('{"text": "a", "labels": [["x"]]}', ['["x"] as a label']),
    "a label twice": ('{"text": "a", "labels": ["x", "x"]}', ["a label twice", "each label once"]),
    "the column of single labels": ('{"text": "a", "label": "x"}', ["spec.dataset.columns.labels"]),
    "one label in all": ('{"text": "a", "labels": ["x"]}', ["only the label 'x'", "problemType SingleLabel"]),
    "no label at all": ('{"text": "a", "labels": []}', ["have no label", "at least two labels"]),
}


@pytest.mark.parametrize("case", MULTI_LABEL_CASES)
def test_a_label_set_that_is_none_is_named(case: str, tmp_path: Path):
    content, words = MULTI_LABEL_CASES[case]
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, content + "\n", **MULTI, **JSONL)
    for word in words:
        assert word in refused.value.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("good", ["line 6, column 'label'", "found 'good'", "a number, such as 3.5"]),
        ("", ["found ''", "a number"]),
        ("nan", ["found 'nan'", "a number"]),
        ("1e9", ["within ±1,000,000", "scale"]),
        ("-100", ["any number but -100"]),
    ],
)
def test_a_number_that_is_none_is_named(value: str, words: list[str], tmp_path: Path):
    assert prepare(tmp_path, GOOD_NUMBERS, **NUMBERS)[0].labels == ()
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, f"{GOOD_NUMBERS}e,{value}\n", **NUMBERS)
    for word in words:
        assert word in refused.value.message


def test_numbers_that_are_all_the_same_teach_nothing(tmp_path: Path):
    with pytest.raises(BadData, match="all 2 rows have the number 1"):
        prepare(tmp_path, "text,label\na,1\nb,1.0\n", **NUMBERS)


@pytest.mark.parametrize("options", [{}, {"problemType": "MultiLabel"}])
def test_a_weight_for_a_label_that_there_is_not_is_refused(options: dict[str, Any], tmp_path: Path):
    weights = {"method": "PerLabel", "perLabel": {"cold": 2, "hot": 3}}
    content = CSV if options else "text,label\na,cold\nb,warm\n"
    with pytest.raises(BadSpec, match="there is no label 'hot'; the labels are cold, ") as refused:
        prepare(tmp_path, content, sequenceClassification={**options, "classWeights": weights})
    assert refused.value.field == "spec.sequenceClassification.classWeights.perLabel"


WORD_CASES = {
    "fewer tags": ('{"tokens": ["a", "b"], "tags": ["O"]}', ["1 tags for 2 words", "one tag for each word"]),
    "no words": ('{"tokens": [], "tags": []}', ["column 'tokens'", "no word"]),
    "an empty word": ('{"tokens": ["a", " "], "tags": ["O", "O"]}', ["' ' as item 2"]),
    "numbers as tags": ('{"tokens": ["a"], "tags": [3]}', ["column 'tags'", "3 as item 1", "texts in quotes"]),
    "no list": ('{"tokens": ["a"], "tags": 3}', ["found 3", "a list of texts"]),
    "a tag without prefix": ('{"tokens": ["a"], "tags": ["PER"]}', ["'PER' for word 1", "B-TYPE, I-TYPE or O"]),
    "a prefix alone": ('{"tokens": ["a"], "tags": ["B-"]}', ["'B-' for word 1"]),
    "an entity without begin": (
        '{"tokens": ["a", "b"], "tags": ["O", "I-PER"]}',
        ["I-PER for word 2 after O", "B-PER", "IOB1"],
    ),
    "an entity that changes its type": (
        '{"tokens": ["a", "b"], "tags": ["B-LOC", "I-PER"]}',
        ["I-PER for word 2 after B-LOC"],
    ),
    "a missing column": ('{"tokens": ["a"]}', ["column 'tags'", "spec.dataset.columns.tags"]),
}


@pytest.mark.parametrize("case", WORD_CASES)
def test_words_and_tags_that_do_not_fit_are_named(case: str, tmp_path: Path):
    content, words = WORD_CASES[case]
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, GOOD_WORDS + content + "\n", **WORDS)
    for word in ["line 3", *words]:
        assert word in refused.value.message


def test_tags_of_all_types_are_the_labels_and_others_are_refused(tmp_path: Path):
    assert prepare(tmp_path, GOOD_WORDS, **WORDS)[0].labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    with pytest.raises(BadData, match=r"found 'B-LOC'; expected one of O, B-PER, I-PER \(spec.tokenClassification"):
        prepare(tmp_path, GOOD_WORDS, tokenClassification={"entityTypes": ["PER"]}, **WORDS)


def test_rows_without_any_entity_teach_nothing(tmp_path: Path):
    with pytest.raises(BadData, match="none of 2 rows has an entity"):
        prepare(tmp_path, '{"tokens": ["a"], "tags": ["O"]}\n' * 2, **WORDS)


def test_a_template_is_not_for_words(tmp_path: Path):
    with pytest.raises(BadSpec, match=r"spec.dataset.template.*remove it"):
        prepare(tmp_path, GOOD_WORDS, **{**WORDS, "dataset": {**JSONL["dataset"], "template": "{tokens}"}})
