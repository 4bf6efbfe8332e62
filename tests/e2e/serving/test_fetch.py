"""The `fetch` command on a volume."""

import shutil
from pathlib import Path

from finetune_api.failures import ExitCode
from finetune_trainer.artifact import read_manifest
from tests.e2e.serving.server_process import run_trainer


def _fetch(models: Path, name: str, digest: str):
    place = ("--into", "/none", "--volumes", models.parent)
    return run_trainer("fetch", f"pvc://{models.name}/{name}", "--digest", digest, *place)


def test_a_whole_model_on_a_volume_is_checked_in_place(models: Path):
    digest = read_manifest(models / "chat").digest
    done = _fetch(models, "chat", digest)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(models / "chat") in done.stdout + done.stderr


def test_a_file_that_was_changed_is_named(models: Path, tmp_path: Path):
    volume = tmp_path / "claim"
    shutil.copytree(models / "chat", volume / "chat")
    (volume / "chat" / "config.json").write_text("{}")
    done = _fetch(volume, "chat", read_manifest(models / "chat").digest)
    said = done.stdout + done.stderr
    assert done.returncode == ExitCode.MISSING_INPUT
    assert "config.json" in said
    assert "2 bytes" in said
    assert "Traceback" not in said


def test_what_is_not_there_and_what_is_no_source_are_told_apart(models: Path):
    digest = read_manifest(models / "chat").digest
    absent = _fetch(models, "absent", digest)
    assert absent.returncode == ExitCode.MISSING_INPUT
    assert "pvc://models" in absent.stdout + absent.stderr
    wrong = run_trainer("fetch", "ftp://host/model", "--digest", digest)
    assert wrong.returncode == ExitCode.BAD_SPEC
    assert "s3://bucket/path" in wrong.stdout + wrong.stderr
    undigested = run_trainer("fetch", "pvc://a/b", "--digest", "latest")
    assert "expected sha256:" in undigested.stderr
