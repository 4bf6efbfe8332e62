"""`python -m crdgen` writes what is committed, and notices when it is not."""

from pathlib import Path

import pytest

from crdgen.__main__ import main


def test_the_committed_files_are_current(capsys: pytest.CaptureFixture[str]):
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_an_edited_file_is_reported_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    crd, reference, metrics = tmp_path / "crd.yaml", tmp_path / "reference.md", tmp_path / "metrics.md"
    files = ["--output", str(crd), "--reference", str(reference), "--chart", str(tmp_path / "chart")]
    files += ["--metrics", str(metrics)]
    assert main([*files, "--check"]) == 1
    assert main(files) == 0
    assert main([*files, "--check"]) == 0
    capsys.readouterr()
    crd.write_text(crd.read_text().replace("maximum: 1\n", "maximum: 8\n"))
    assert main([*files, "--check"]) == 1
    assert capsys.readouterr().err == f"{crd} is out of date; run: python -m crdgen\n"
    assert "maximum: 8\n" in crd.read_text()
