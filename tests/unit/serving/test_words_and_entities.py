"""From a text to its words, and from the words' tags to the entities in the text."""

import pytest

from finetune_trainer.serving.engines.entity_finder import entities
from finetune_trainer.serving.engines.words import words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ada, Grace!", ["Ada", ",", "Grace", "!"]),
        ("a well-known U.S. co-op", ["a", "well-known", "U.S", ".", "co-op"]),
        ("O'Neill’s café", ["O'Neill’s", "café"]),
        ("rock'n'roll 3.5%", ["rock'n'roll", "3.5", "%"]),
        ("我用iPhone打字", ["我", "用", "iPhone", "打", "字"]),
        ("snake_case", ["snake", "_", "case"]),
        ("  \n", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in words_in(text)] == words


TEXT = "Ada  Lovelace met Babbage in London."


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("B-PER I-PER O B-PER O B-LOC O", [("PER", "Ada  Lovelace"), ("PER", "Babbage"), ("LOC", "London")]),
        ("I-PER I-PER O O O O O", [("PER", "Ada  Lovelace")]),
        ("B-PER I-LOC O O O O O", [("PER", "Ada"), ("LOC", "Lovelace")]),
        ("B-PER B-PER O O O O O", [("PER", "Ada"), ("PER", "Lovelace")]),
        ("O O O O O O B-LOC", [("LOC", ".")]),
        ("O O O O O O O", []),
    ],
)
def test_entities_span_the_text_as_it_is_written(tags: str, found: list[tuple[str, str]]) -> None:
    answer = entities(TEXT, words_in(TEXT), [(tag, 0.5) for tag in tags.split()])
    assert [(entity["label"], entity["text"]) for entity in answer] == found
    assert all(TEXT[entity["start"] : entity["end"]] == entity["text"] for entity in answer)


def test_the_score_is_the_mean_of_the_words() -> None:
    (entity,) = entities("Ada Lovelace", [(0, 3), (4, 12)], [("B-PER", 0.9), ("I-PER", 0.5)])
    assert entity["score"] == pytest.approx(0.7)
