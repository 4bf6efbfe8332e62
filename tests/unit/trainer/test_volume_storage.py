"""pvc:// sources and destinations."""

from pathlib import Path

import pytest

from finetune_api.parts.sources import Source
from finetune_trainer.errors import BadSpec, MissingInput, TrainerError
from finetune_trainer.storage import Access, open_storage


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """A mounted claim `data` with a file."""
    (tmp_path / "data/sub").mkdir(parents=True)
    (tmp_path / "data/sub/rows.csv").write_text("a,b\n")
    return tmp_path


def storage(volumes: Path, claim: str, path: str):
    """Open a source on the volumes."""
    return open_storage(Source("pvc", claim, path), Access("spec.model.source", volumes=volumes))


def test_files_are_read_in_place(volumes: Path):
    assert storage(volumes, "data", "sub/rows.csv").fetch_file(volumes) == volumes / "data/sub/rows.csv"
    assert [file.path for file in storage(volumes, "data", "").list_files(["*.csv"])] == ["sub/rows.csv"]


@pytest.mark.parametrize(
    ("claim", "path", "error", "words"),
    [
        ("other", "x", MissingInput, "claim 'other' is not mounted"),
        ("data", "absent.csv", MissingInput, "no such file on the volume of claim 'data'"),
        ("data", "../other", BadSpec, "leaves the claim"),
        ("data", "link/passwd", BadSpec, "leaves the claim"),
    ],
)
def test_what_is_not_there_or_outside_is_refused(
    volumes: Path, claim: str, path: str, error: type[TrainerError], words: str
):
    (volumes / "data/link").symlink_to("/etc")
    with pytest.raises(error, match=words) as refused:
        storage(volumes, claim, path).fetch_file(volumes)
    assert refused.value.field == "spec.model.source"


def test_an_upload_replaces_the_whole_folder(volumes: Path, tmp_path: Path):
    new = tmp_path / "new"
    (new / "deep").mkdir(parents=True)
    (new / "deep/file").write_text("1")
    target = storage(volumes, "data", "published/run")
    target.upload_tree(new, last="manifest")
    (new / "deep/file").rename(new / "file")
    target.upload_tree(new, last="manifest")
    assert [file.path for file in target.list_files()] == ["file"]
    assert sorted(path.name for path in (volumes / "data/published").iterdir()) == ["run"]
