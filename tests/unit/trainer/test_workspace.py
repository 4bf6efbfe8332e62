"""Markers, run folders, checkpoints and batches on the workspace volume."""

import os
from pathlib import Path

import pytest

from finetune_trainer.records import EvaluateRecord, Evaluation, PushRecord, Sample
from finetune_trainer.runtime import checkpoints
from finetune_trainer.runtime.batches import Batches
from finetune_trainer.runtime.workspace import Workspace


def _checkpoint(folder: Path, step: int, complete: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"weights" * step)
    (path / "trainer_state.json").write_text("{}")
    if complete:
        checkpoints.mark_complete(path)
    return path


def test_a_torn_checkpoint_is_ignored_and_removed(tmp_path: Path):
    older, torn = _checkpoint(tmp_path, 9), _checkpoint(tmp_path, 10, complete=False)
    assert checkpoints.newest_complete(tmp_path) == older
    assert not torn.exists()


def test_a_checkpoint_that_lost_bytes_after_its_marker_is_torn(tmp_path: Path):
    older, cut = _checkpoint(tmp_path, 100), _checkpoint(tmp_path, 200)
    (cut / "model.safetensors").write_bytes(b"weig")
    assert checkpoints.newest_complete(tmp_path) == older


def test_without_a_complete_checkpoint_training_starts_anew(tmp_path: Path):
    assert checkpoints.newest_complete(tmp_path / "absent") is None
    _checkpoint(tmp_path, 5, complete=False)
    assert checkpoints.newest_complete(tmp_path) is None


def test_the_two_newest_checkpoints_by_number_are_kept(tmp_path: Path):
    for step in (9, 100, 10):
        _checkpoint(tmp_path, step)
    checkpoints.prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-100"]


def test_a_record_survives_its_marker(tmp_path: Path):
    workspace = Workspace(tmp_path, "run", "uid")
    evaluation = Evaluation({"accuracy": 0.5}, (Sample("text", None, "good"),), ((1, 2), (3, 4)), "a note")
    record = EvaluateRecord(evaluation, None)
    assert workspace.read_marker("Evaluate", EvaluateRecord) is None
    workspace.write_marker("Evaluate", record)
    assert workspace.read_marker("Evaluate", EvaluateRecord) == record


def test_a_marker_of_another_release_or_cut_short_counts_as_none(tmp_path: Path):
    workspace = Workspace(tmp_path, "run", "uid")
    workspace.write_marker("Push", Evaluation({}))
    assert workspace.read_marker("Push", PushRecord) is None
    (workspace.folder / "stages/Push.json").write_text('{"uri": ')
    assert workspace.read_marker("Push", PushRecord) is None


def test_only_old_runs_of_the_same_job_are_pruned(tmp_path: Path):
    for number in range(5):
        old = Workspace(tmp_path, f"old{number}", "uid")
        os.utime(old.folder, (number, number))
    foreign = Workspace(tmp_path, "old0", "another-uid")
    (tmp_path / "lost+found").mkdir()
    current = Workspace(tmp_path, "current", "uid")
    current.encoded.mkdir()
    os.utime(current.folder, (0, 0))
    assert sorted(current.prune_old_runs()) == ["old0", "old1", "old2"]
    assert sorted(path.name for path in current.root.iterdir()) == ["current", "encoded", "old3", "old4"]
    assert foreign.folder.is_dir()


def test_what_an_earlier_release_left_of_the_job_is_gone_on_with(tmp_path: Path):
    """Runs of all jobs on a volume lay side by side at its top, each with the uid of its job in a file."""
    for run, uid in (("run", "uid"), ("older", "uid"), ("theirs", "another-uid")):
        (tmp_path / run / "stages").mkdir(parents=True)
        (tmp_path / run / "job-uid").write_text(uid)
    (tmp_path / "run/stages/Push.json").write_text(
        '{"uri": "s3://b/run", "digest": "d", "size_bytes": 1, "base_revision": null}'
    )
    (tmp_path / "encoded/uid/digest").mkdir(parents=True)
    workspace = Workspace(tmp_path, "run", "uid")
    assert workspace.read_marker("Push", PushRecord) == PushRecord("s3://b/run", "d", 1, None)
    assert sorted(path.name for path in (tmp_path / "uid").iterdir()) == ["encoded", "older", "run"]
    assert (tmp_path / "theirs/job-uid").read_text() == "another-uid"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Batches(8, 1, 16), Batches(4, 2, 8)),
        (Batches(6, 2, 1), Batches(3, 4, 1)),
        (Batches(9, 1, 16), Batches(3, 3, 8)),
        (Batches(7, 2, 16), Batches(1, 14, 8)),
    ],
)
def test_smaller_batches_keep_the_rows_per_step(before: Batches, after: Batches):
    assert before.halved() == after
    assert after.size * after.accumulation == before.size * before.accumulation


def test_what_a_finished_stage_and_a_checkpoint_leave_is_the_groups_too(tmp_path: Path):
    """The next pod may be another user of that group, as on OpenShift."""
    workspace = Workspace(tmp_path, "run", "uid")
    private = workspace.tuned / "model.safetensors"
    private.parent.mkdir(parents=True)
    private.write_bytes(b"weights")
    private.chmod(0o600)
    workspace.write_marker("Train", PushRecord("uri", "digest", 1, None))
    assert private.stat().st_mode & 0o777 == 0o660
    checkpoint = _checkpoint(workspace.checkpoints, 1, complete=False)
    (checkpoint / "model.safetensors").chmod(0o600)
    checkpoints.mark_complete(checkpoint)
    assert (checkpoint / "model.safetensors").stat().st_mode & 0o777 == 0o660
