"""A base model that knows the labels already keeps what it knows of each, whatever order they have now."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune_trainer.models.heads import load_classifier, outputs_of
from finetune_trainer.tasks import recipe_for
from tests.e2e.trainer.tiny_models import make_decoder, make_encoder, make_encoder_decoder
from tests.unit.trainer.odd_models import PLAN, change_json, request_of

TEXT = "a warm and funny film"
FAMILIES = {
    "BERT": make_encoder,
    "RoBERTa, whose head has two layers": lambda folder: make_encoder(folder, kind="roberta"),
    "Llama, whose head has no bias": make_decoder,
    "T5": make_encoder_decoder,
}


def _named(folder: Path, names: list[str], make: Any = make_encoder, auto: Any = None) -> Path:
    """A classifier with outputs of these names."""
    make(folder)
    torch.manual_seed(3)
    model = (auto or AutoModelForSequenceClassification).from_pretrained(
        folder, id2label=dict(enumerate(names)), label2id={name: index for index, name in enumerate(names)}
    )
    for name, parameter in model.named_parameters():
        if name.endswith("bias") and parameter.shape == (len(names),):
            torch.nn.init.normal_(parameter)
    model.save_pretrained(folder)
    return folder


def _answers(loaded: Any) -> dict[str, float]:
    """Return the logits by label name."""
    model, tokens = loaded.model.eval(), loaded.tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        logits = model(**{name: value for name, value in tokens.items() if name != "token_type_ids"}).logits
    row = logits.reshape(-1, logits.shape[-1])[-1]
    return {model.config.id2label[index]: float(value) for index, value in enumerate(row)}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_label_keeps_its_output_in_another_order(tmp_path: Path, family: str):
    folder = _named(tmp_path / "base", ["good", "bad", "so-so"], FAMILIES[family])
    recipe = recipe_for(request_of("SequenceClassification"))
    before = _answers(recipe.load(folder, PLAN, ("good", "bad", "so-so")))
    loaded = recipe.load(folder, PLAN, ("bad", "good", "so-so"))
    assert loaded.fresh == ()
    assert list(_answers(loaded)) == ["bad", "good", "so-so"]
    assert _answers(loaded) == pytest.approx(before, abs=1e-6)
    assert len(set(before.values())) == 3
    loaded.model.save_pretrained(tmp_path / "out")
    loaded.tokenizer.save_pretrained(tmp_path / "out")
    assert _answers(recipe.load(tmp_path / "out", PLAN, ("bad", "good", "so-so"))) == pytest.approx(before, abs=1e-6)


def test_labels_that_the_base_knows_beside_others_keep_their_outputs(tmp_path: Path):
    folder = _named(tmp_path, ["Good", "bad", "so-so"])
    recipe = recipe_for(request_of("SequenceClassification"))
    before = _answers(recipe.load(folder, PLAN, ("Good", "bad", "so-so")))
    loaded = recipe.load(folder, PLAN, ("bad", "good"))
    assert _answers(loaded) == pytest.approx({"bad": before["bad"], "good": before["Good"]}, abs=1e-6)
    assert (loaded.model.config.num_labels, loaded.model.classifier.out_features, loaded.fresh) == (2, 2, ())


def test_tags_keep_their_outputs_in_another_order(tmp_path: Path):
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    folder = _named(tmp_path, names, auto=transformers.AutoModelForTokenClassification)
    recipe = recipe_for(request_of("TokenClassification"))
    before = _answers(recipe.load(folder, PLAN, tuple(names)))
    loaded = recipe.load(folder, PLAN, ("O", "B-LOC", "I-LOC", "B-PER", "I-PER"))
    assert loaded.fresh == ()
    assert _answers(loaded) == pytest.approx(before, abs=1e-6)


def test_a_head_for_other_labels_starts_anew_by_the_seed_and_says_so(tmp_path: Path):
    folder = _named(tmp_path, ["toxic", "harmless"])
    recipe = recipe_for(request_of("SequenceClassification"))
    base = _answers(recipe.load(folder, PLAN, ("toxic", "harmless")))
    first, again = (recipe.load(folder, PLAN, ("bad", "good")) for _ in range(2))
    assert first.fresh == ("classifier.bias", "classifier.weight")
    assert _answers(first) == _answers(again)
    assert list(_answers(first).values()) != pytest.approx(list(base.values()), abs=1e-3)
    assert first.model.classifier.weight.std().item() == pytest.approx(0.02, rel=0.5)
    assert not first.model.classifier.bias.any()


@pytest.mark.parametrize("labels", [("bad", "good"), ("0", "1"), ("LABEL_0", "LABEL_1")])
def test_a_head_without_names_is_taken_as_it_is(tmp_path: Path, labels: tuple[str, ...]):
    folder = _named(tmp_path, ["LABEL_0", "LABEL_1"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, fresh = load_classifier(AutoModelForSequenceClassification, folder, PLAN, tokenizer, labels)
    before = AutoModelForSequenceClassification.from_pretrained(folder)
    assert torch.equal(model.classifier.weight, before.classifier.weight)
    assert (fresh, model.config.id2label) == ([], dict(enumerate(labels)))


def test_names_that_a_config_has_the_other_way_round_only_are_read(tmp_path: Path):
    folder = _named(tmp_path, ["good", "bad"])
    recipe = recipe_for(request_of("SequenceClassification"))
    before = _answers(recipe.load(folder, PLAN, ("good", "bad")))
    change_json(folder / "config.json", id2label=None, label2id={"good": 0, "bad": 1})
    assert _answers(recipe.load(folder, PLAN, ("bad", "good"))) == pytest.approx(before, abs=1e-6)


NAMES = {0: "NEGATIVE", 1: "POSITIVE"}


@pytest.mark.parametrize(
    ("labels", "names", "order"),
    [
        (["positive", "negative"], NAMES, [1, 0]),
        (["1", "0"], NAMES, [1, 0]),
        (["positive", "neutral"], NAMES, None),
        (["0", "1"], {0: "contradiction", 1: "neutral", 2: "entailment"}, None),
        (["0", "1", "10", *map(str, range(2, 10))], {i: f"LABEL_{i}" for i in range(11)}, [0, 1, 10, *range(2, 10)]),
        (["a", "A"], {0: "A", 1: "a"}, [1, 0]),
        (["a", "A"], {0: "a", 1: "b"}, None),
        (["1", "2"], {0: "2", 1: "1"}, [1, 0]),
    ],
)
def test_outputs_are_known_by_name_or_else_by_number(labels: list[str], names: dict[int, str], order: list[int] | None):
    assert outputs_of(labels, names) == order
