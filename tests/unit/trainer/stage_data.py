"""Stage Data over files that a test writes to a stand-in of a volume."""

from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_trainer.data.rows import load_rows
from finetune_trainer.records import DataRecord
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.stages.data import prepare_data
from finetune_trainer.storage import Access, Credentials
from finetune_trainer.tasks import recipe_for
from tests.builders import merge

REQUEST: dict[str, Any] = {
    "namespace": "default",
    "name": "job",
    "uid": "uid",
    "runId": "run",
    "model": {"source": "pvc://models/base"},
    "task": "SequenceClassification",
    "dataset": {"train": {"source": "pvc://data/train.csv"}, "evaluation": {"fraction": 0.5}},
    "output": {"destination": "pvc://out/x"},
}


def prepare(volumes: Path, credentials: Credentials | None = None, **changes: Any) -> tuple[DataRecord, Workspace]:
    """Run stage Data with claims below `volumes`; return the record and the workspace."""
    request = RunRequest.model_validate(merge(REQUEST, changes))
    workspace = Workspace(volumes / "workspace", "run", "uid")

    def access(field: str, revision: str | None) -> Access:
        return Access(field, credentials or Credentials(), volumes, revision)

    return prepare_data(request.dataset, access, recipe_for(request), workspace), workspace


def rows_of(volumes: Path, **changes: Any) -> list[dict[str, Any]]:
    """Return all rows, those held out first."""
    record, workspace = prepare(volumes, **changes)
    return [*load_rows(workspace.path(record.evaluation_file)), *load_rows(workspace.path(record.train_file))]


def write(volumes: Path, name: str, content: str | bytes) -> None:
    """Put a file on the volume of claim data."""
    path = volumes / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
