"""Which folders are taken for a base model."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from finetune_api.parts.sources import Source
from finetune_trainer.artifact import write_manifest
from finetune_trainer.errors import BadSpec, CorruptArtifact, MissingInput
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.stages.model import fetch_model
from finetune_trainer.storage import Access, open_storage


def _fetch(tmp_path: Path, digest: str | None = None):
    (tmp_path / "claim/model").mkdir(parents=True, exist_ok=True)
    storage = open_storage(Source("pvc", "claim", "model"), Access("spec.model.source", volumes=tmp_path))
    workspace = Workspace(tmp_path / "workspace", "run", "uid")
    return fetch_model(storage, None, workspace.base, workspace, field="spec.model.source", digest=digest)


def _model(tmp_path: Path, config: object = None) -> Path:
    folder = tmp_path / "claim/model"
    folder.mkdir(parents=True)
    save_file({"big": torch.zeros(9, dtype=torch.bfloat16), "small": torch.zeros(2)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config or {"model_type": "bert", "architectures": ["BertModel"]}))
    return folder


def test_the_format_of_most_weights_is_the_models(tmp_path: Path):
    _model(tmp_path)
    record = _fetch(tmp_path)
    assert (record.architecture, record.weight_dtype) == ("BertModel", "bfloat16")


def test_pickled_weights_are_refused(tmp_path: Path):
    folder = _model(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadSpec, match=r"holds pytorch_model\.bin but no safetensors.*save_pretrained"):
        _fetch(tmp_path)


def test_an_empty_folder_is_missing_input(tmp_path: Path):
    with pytest.raises(MissingInput, match="no such folder, or it is empty"):
        _fetch(tmp_path)


def test_a_folder_without_config_is_refused(tmp_path: Path):
    (_model(tmp_path) / "config.json").unlink()
    with pytest.raises(BadSpec, match=r"no config\.json"):
        _fetch(tmp_path)


def test_damaged_weights_are_named(tmp_path: Path):
    (_model(tmp_path) / "model.safetensors").write_bytes(b"<html>not found</html>")
    with pytest.raises(MissingInput, match=r"model\.safetensors of the model is damaged"):
        _fetch(tmp_path)


@pytest.mark.parametrize("config", [{"architectures": []}, ["bert"]])
def test_a_config_of_something_else_is_refused(tmp_path: Path, config: object):
    _model(tmp_path, config)
    with pytest.raises(BadSpec, match="model_type"):
        _fetch(tmp_path)


def test_published_model_is_taken_with_the_digest_that_is_expected(tmp_path: Path):
    folder = _model(tmp_path)
    (folder / "notes").mkdir()
    (folder / "notes/ignored.bin").write_bytes(b"not needed")
    digest = write_manifest(folder).digest
    (folder / "notes/ignored.bin").write_bytes(b"changed, but never read")
    assert _fetch(tmp_path, digest).architecture == "BertModel"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "config.json").write_text("{}"), r"config.json has 2 bytes with sha256 .*, expected"),
        (lambda folder: (folder / "more.safetensors").write_bytes(b"x"), r"more.safetensors is not in the manifest"),
        (write_manifest, r"pvc://claim/model has digest sha256:.*, expected sha256:"),
    ],
    ids=["changed", "added", "published-anew"],
)
def test_published_model_that_was_changed_is_refused(tmp_path: Path, harm: Callable[[Path], object], message: str):
    folder = _model(tmp_path)
    digest = write_manifest(folder).digest
    if harm is write_manifest:
        (folder / "config.json").write_text("{}")
    harm(folder)
    with pytest.raises(CorruptArtifact, match=message):
        _fetch(tmp_path, digest)


def test_source_that_nobody_resolved_is_named(tmp_path: Path):
    with pytest.raises(BadSpec, match=r"job://base names a FineTuneJob, which only the operator can look up"):
        open_storage(Source("job", "base", ""), Access("spec.model.source", volumes=tmp_path))
