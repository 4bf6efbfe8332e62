"""Which files a pattern or a split of a dataset on the Hub stands for."""

import pytest

from finetune_api.parts.sources import Source
from finetune_trainer.data.origins.globs import matches_pattern, split_pattern
from finetune_trainer.data.origins.hub_splits import files_of_split
from finetune_trainer.errors import BadSpec, MissingInput

FIELD = "spec.dataset.train.source"


@pytest.mark.parametrize(
    ("path", "folder", "pattern"),
    [
        ("a/b.csv", "a/b.csv", None),
        ("a/*.csv", "a", "*.csv"),
        ("*.csv", "", "*.csv"),
        ("a/**/b-*.csv", "a", "**/b-*.csv"),
    ],
)
def test_a_pattern_begins_where_the_first_star_is(path: str, folder: str, pattern: str | None):
    assert split_pattern(Source("s3", "bucket", path)) == (Source("s3", "bucket", folder), pattern)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "a/b.csv", False),
        ("*.csv", ".a.csv", False),
        ("part-*.csv", "part-.csv", True),
        ("**/*.csv", "b.csv", True),
        ("**/*.csv", "a/b/c.csv", True),
        ("**/*.csv", "a/.b/c.csv", False),
        ("a/*/c.csv", "a/b/c.csv", True),
        ("a/*/c.csv", "a/c.csv", False),
        ("a+(1).csv", "a+(1).csv", True),
        ("a.csv", "aXcsv", False),
    ],
)
def test_patterns(pattern: str, path: str, matches: bool):
    assert matches_pattern(path, pattern) is matches


CARD = """---
configs:
- config_name: plain
  data_files:
  - split: train
    path: plain/*.parquet
- config_name: other
  default: true
  data_files:
  - split: train
    path: [a.jsonl, "b/*.jsonl"]
  - split: held_out
    path: c.jsonl
---
# Card
"""
SPLITS = {
    "by name": (["README.md", "data/train-00000-of-00002.parquet", "data/test-0.parquet"], "", "train", {1}),
    "by folder": (["train/x.csv", "dev/x.csv", "dev/notes.pdf"], "", "validation", {1}),
    "no name tells anything": (["a.json", "README.md", ".gitattributes", "b.jsonl.gz"], "", "train", {0, 3}),
    "a word is more than letters": (["training.csv", "trainer.csv"], "", "train", {0}),
    "by the card's default": (["a.jsonl", "b/x.jsonl", "c.jsonl", "plain/x.parquet"], CARD, "train", {0, 1}),
    "a split of the card's own": (["a.jsonl", "c.jsonl"], CARD, "held_out", {1}),
    "one path in the card": (["x.csv", "y.csv"], "---\nconfigs:\n- data_files: y.csv\n---\n", "train", {1}),
}


@pytest.mark.parametrize("case", SPLITS)
def test_files_of_a_split(case: str):
    names, card, split, expected = SPLITS[case]
    assert files_of_split(names, card, split, FIELD) == {names[index] for index in expected}


@pytest.mark.parametrize("header", ["", ": [", "- a", "configs: 3", "configs: [a]"])
def test_a_card_that_says_nothing_leaves_the_names(header: str):
    assert files_of_split(["README.md", "x.csv"], f"---\n{header}\n---\n", "train", FIELD) == {"x.csv"}


def test_a_split_that_is_not_there_names_those_that_are():
    with pytest.raises(MissingInput, match="no split 'validation'; there are: test, train"):
        files_of_split(["train.csv", "test.csv"], "", "validation", FIELD)


def test_several_subsets_ask_for_a_choice():
    card = CARD.replace("  default: true\n", "")
    with pytest.raises(BadSpec, match=r"several subsets \(plain, other\); name the files"):
        files_of_split(["a.jsonl"], card, "train", FIELD)
