"""The manifest and its digest."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune_api.handoff import MANIFEST_NAME
from finetune_trainer.artifact import (
    EVALUATION_FILE,
    build_manifest,
    digest_of,
    parse_manifest,
    run_of,
    verify,
    write_manifest,
)
from finetune_trainer.errors import CorruptArtifact, MissingInput


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, one of them in a folder."""
    (tmp_path / "sub").mkdir()
    for name, content in (("b.txt", "two"), ("a.bin", "one"), ("sub/c", "")):
        (tmp_path / name).write_text(content)
    return tmp_path


def test_the_digest_is_that_of_the_sorted_list(folder: Path):
    sha = {content: hashlib.sha256(content.encode()).hexdigest() for content in ("one", "two", "")}
    listing = f"a.bin\t3\t{sha['one']}\nb.txt\t3\t{sha['two']}\nsub/c\t0\t{sha['']}\n"
    assert build_manifest(folder).digest == "sha256:" + hashlib.sha256(listing.encode()).hexdigest()


def test_the_manifest_does_not_count_itself(folder: Path):
    before = build_manifest(folder)
    assert write_manifest(folder) == before == build_manifest(folder)
    assert verify(folder, before.digest) == before
    assert before.size_bytes == 6


def _change(folder: Path) -> str:
    (folder / "b.txt").write_text("TWO")
    return "b.txt has 3 bytes"


def _remove(folder: Path) -> str:
    (folder / "sub/c").unlink()
    return "c is missing"


def _add(folder: Path) -> str:
    (folder / "adapter_config.json").write_text("{}")
    return "adapter_config.json is not in the manifest"


@pytest.mark.parametrize("spoil", [_change, _remove, _add])
def test_a_folder_with_other_files_is_refused(folder: Path, spoil: Callable[[Path], str]):
    digest = write_manifest(folder).digest
    words = spoil(folder)
    with pytest.raises(CorruptArtifact, match=words):
        verify(folder, digest)


def test_another_digest_is_refused(folder: Path):
    write_manifest(folder)
    with pytest.raises(CorruptArtifact, match="expected sha256:0"):
        verify(folder, "sha256:0")


def test_a_folder_without_manifest_is_no_published_model(folder: Path):
    with pytest.raises(MissingInput, match=MANIFEST_NAME):
        verify(folder, "sha256:0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "is not a manifest"),
        ('{"files": [], "digest": "sha256:1"}', "its list of files differs"),
    ],
)
def test_a_damaged_manifest_is_refused(text: str, words: str):
    with pytest.raises(CorruptArtifact, match=words):
        parse_manifest(text, "s3://bucket/model")


def test_a_manifest_that_leaves_its_folder_is_refused(folder: Path):
    manifest = write_manifest(folder)
    text = manifest.model_dump_json(by_alias=True).replace("sub/c", "../c")
    listing = manifest.model_copy(
        update={"files": [file.model_copy(update={"path": file.path.replace("sub", "..")}) for file in manifest.files]}
    )
    with pytest.raises(CorruptArtifact, match="outside of the folder"):
        parse_manifest(text.replace(manifest.digest, digest_of(listing.files)), "s3://bucket/model")


@pytest.mark.parametrize(
    ("text", "run"), [('{"job": {"runId": "8c1f"}}', "8c1f"), ("{}", ""), ("[]", ""), ("no JSON", ""), (None, "")]
)
def test_run_is_read_from_what_lies_beside_the_model(text: str | None, run: str, tmp_path: Path):
    if text is not None:
        (tmp_path / EVALUATION_FILE).write_text(text)
    assert run_of(tmp_path) == run
