"""Which markers go when the job file asks for another evaluation."""

from pathlib import Path
from typing import Any

import pytest

from finetune_api.handoff import RunRequest, Stage
from finetune_trainer.errors import MissingInput
from finetune_trainer.records import ModelRecord
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.stages.judging import BASELINE, JUDGED_AS, forget_other_judgements, misses_models
from tests.builders import merge
from tests.unit.trainer.test_bad_data import REQUEST

FINISHED = [Stage.DATA, Stage.MODEL, BASELINE, Stage.TRAIN, Stage.EVALUATE, Stage.EXPORT]


def _workspace(folder: Path, *markers: str) -> Workspace:
    workspace = Workspace(folder, "run", "uid")
    for marker in markers:
        workspace.write_marker(marker, {})
    return workspace


def _request(evaluation: dict[str, Any], **fields: Any) -> RunRequest:
    return RunRequest.model_validate(merge(REQUEST, {"evaluation": evaluation, **fields}))


def _left(workspace: Workspace) -> list[str]:
    return [marker for marker in (*FINISHED, Stage.PUSH) if workspace.has_marker(marker)]


@pytest.mark.parametrize(
    ("change", "pushed", "left"),
    [
        ({"baseline": True, "batchSize": 16}, True, [*FINISHED, Stage.PUSH]),
        ({"batchSize": 4}, True, [Stage.DATA, Stage.MODEL, Stage.TRAIN, Stage.EXPORT, Stage.PUSH]),
        ({"batchSize": 4}, False, [Stage.DATA, Stage.MODEL, Stage.TRAIN]),
    ],
)
def test_another_evaluation_is_done_anew_and_what_is_published_stays(
    change: dict[str, Any], pushed: bool, left: list[str], tmp_path: Path
):
    workspace = _workspace(tmp_path)
    forget_other_judgements(_request({}), workspace)
    for marker in (*FINISHED, *([Stage.PUSH] if pushed else [])):
        workspace.write_marker(marker, {})
    forget_other_judgements(_request(change), workspace)
    assert _left(workspace) == left
    forget_other_judgements(_request(change), workspace)
    assert _left(workspace) == left


def test_what_an_earlier_release_judged_is_judged_again(tmp_path: Path):
    workspace = _workspace(tmp_path, *FINISHED, Stage.PUSH)
    forget_other_judgements(_request({}), workspace)
    assert Stage.EVALUATE not in _left(workspace)
    assert workspace.has_marker(JUDGED_AS)


def test_a_trained_run_is_never_trained_again(tmp_path: Path):
    with pytest.raises(MissingInput, match=r"no longer holds run .*new spec\.runId"):
        forget_other_judgements(_request({}, trained=True), _workspace(tmp_path))


def test_dropped_models_are_missed_only_for_judging(tmp_path: Path):
    workspace = _workspace(tmp_path)
    model = ModelRecord("base", "commit", "Model", "float32")
    assert misses_models(model, workspace)
    workspace.write_marker(Stage.EVALUATE, {})
    assert not misses_models(model, workspace)
    workspace.remove_marker(Stage.EVALUATE)
    (workspace.folder / "base").mkdir()
    assert not misses_models(model, workspace)
