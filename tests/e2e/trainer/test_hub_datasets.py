"""Rows from hf://datasets/… sources, downloaded by huggingface_hub from a stand-in of the Hub."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from finetune_trainer.errors import MissingInput, NoAccess, TrainerError
from finetune_trainer.storage import Credentials
from tests.e2e.trainer.hub_stand_in import COMMIT, Hub, serve
from tests.e2e.trainer.tiny_data import reviews
from tests.unit.trainer.stage_data import prepare

pytestmark = pytest.mark.e2e

TOKEN = "hf_a-secret-token"
SOURCE = "hf://datasets/acme/reviews"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A Hub with one private dataset: two files to learn from, one to be judged by."""
    rows = reviews()
    for name, part in {"train-0": rows[:8], "train-1": rows[8:16], "validation-0": rows[16:]}.items():
        sink = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_pylist(part), sink)
        path = tmp_path / "hub/data" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sink.getvalue())
    (tmp_path / "hub/README.md").write_text("---\nlicense: mit\n---\n# Reviews\n")
    with serve(Hub(tmp_path / "hub", "datasets/acme/reviews", token=TOKEN)) as hub:
        yield hub


def _prepare(hub: Hub, folder: Path, dataset: dict[str, Any], token: str = TOKEN):
    return prepare(folder, Credentials({"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": token}), dataset=dataset)


def test_the_splits_of_a_dataset_are_read_at_one_commit(hub: Hub, tmp_path: Path):
    evaluation = {"source": SOURCE, "fraction": None}
    record, _ = _prepare(hub, tmp_path, {"train": {"source": SOURCE, "revision": "v1"}, "evaluation": evaluation})
    assert (record.train_rows, record.evaluation_rows) == (16, len(reviews()) - 16)
    assert record.revisions == {SOURCE: COMMIT}
    files = [request for request in hub.requests if "/resolve/" in request]
    assert files
    assert all(f"/datasets/acme/reviews/resolve/{COMMIT}/" in request for request in files)


def test_a_path_takes_some_of_the_files(hub: Hub, tmp_path: Path):
    record, _ = _prepare(hub, tmp_path, {"train": {"source": f"{SOURCE}/data/train-1*"}})
    assert record.train_rows + record.evaluation_rows == 8
    assert not any("train-0" in request for request in hub.requests if "/resolve/" in request)


WRONG: dict[str, tuple[dict[str, Any], type[TrainerError], str, str]] = {
    "no such split": (
        {"train": {"source": SOURCE, "split": "test"}},
        MissingInput,
        "no split 'test'; there are: train, validation",
        "spec.dataset.train.source",
    ),
    "no such file": (
        {"train": {"source": f"{SOURCE}/data/*.csv"}},
        MissingInput,
        "no file has this name or matches this pattern",
        "spec.dataset.train.source",
    ),
    "no such dataset": (
        {"train": {"source": "hf://datasets/acme/absent"}},
        MissingInput,
        "HF_TOKEN in spec.dataset.secretRef",
        "spec.dataset.train.source",
    ),
    "no such revision": (
        {"train": {"source": SOURCE, "revision": "v9"}},
        MissingInput,
        "has no revision 'v9'",
        "spec.dataset.train.revision",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_on_the_hub_is_named(hub: Hub, case: str, tmp_path: Path):
    dataset, kind, words, field = WRONG[case]
    with pytest.raises(kind) as refused:
        _prepare(hub, tmp_path, dataset)
    assert words in refused.value.message
    assert refused.value.field == field
    assert TOKEN not in refused.value.message


def test_a_wrong_token_is_told(hub: Hub, tmp_path: Path):
    with pytest.raises((MissingInput, NoAccess), match=r"HF_TOKEN in spec.dataset.secretRef"):
        _prepare(hub, tmp_path, {"train": {"source": SOURCE}}, "hf_wrong")
