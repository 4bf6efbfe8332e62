"""Which folders are loaded, and what the others are told."""

import json
from pathlib import Path

import pytest

from finetune_trainer.errors import BadSpec
from finetune_trainer.serving.engines.classifier import Classifier
from finetune_trainer.serving.engines.language import LanguageModel
from finetune_trainer.serving.engines.loading import load_model
from tests.e2e.serving.tiny_models import publish_classifier, publish_endless_model


def _change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_the_architecture_decides_what_a_model_can_do(tmp_path: Path):
    publish_classifier(tmp_path / "classifier")
    publish_endless_model(tmp_path / "language")
    classifier, language = load_model(tmp_path / "classifier"), load_model(tmp_path / "language")
    assert isinstance(classifier, Classifier)
    assert isinstance(language, LanguageModel)
    assert (classifier.context_tokens, language.context_tokens) == (32, 1 << 17)


def test_pickled_weights_are_refused(tmp_path: Path):
    publish_classifier(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(BadSpec, match="safetensors"):
        load_model(tmp_path)


def test_code_in_the_folder_is_never_run(tmp_path: Path):
    publish_classifier(tmp_path)
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    _change_config(tmp_path, model_type="own", auto_map={"AutoConfig": "own.Config"})
    with pytest.raises(BadSpec):
        load_model(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_another_architecture_is_named(tmp_path: Path):
    publish_classifier(tmp_path)
    _change_config(tmp_path, architectures=["BertForMaskedLM"])
    with pytest.raises(BadSpec, match=r"'BertForMaskedLM'.*expected a classifier, a reward model, a causal"):
        load_model(tmp_path)


def test_an_empty_folder_is_refused_in_words(tmp_path: Path):
    with pytest.raises(BadSpec, match="cannot be loaded as a model"):
        load_model(tmp_path)
