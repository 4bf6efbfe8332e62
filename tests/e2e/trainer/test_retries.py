"""A retried pod goes on where the last one failed."""

import json
import re
import shutil
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers

from finetune_api.failures import ExitCode
from finetune_api.handoff import Stage
from finetune_trainer import pipeline
from finetune_trainer.artifact import read_manifest
from finetune_trainer.errors import Unavailable
from finetune_trainer.runtime import patience
from finetune_trainer.stages.push import push as real_push
from tests.e2e.trainer.tiny_data import reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

FITTING_ROWS = 3


def _job(site: Site, **changes: Any) -> dict[str, Any]:
    dataset = {"train": {"source": site.write("train.jsonl", reviews())}, "evaluation": {"fraction": 0.25}}
    model = {"source": "pvc://models/encoder"}
    return site.job(**{"task": "SequenceClassification", "model": model, "dataset": dataset, **changes})


def _no_push() -> None:
    """Let the store fail as soon as there is something to publish."""

    def push(*_: object) -> None:
        raise Unavailable("the store answers 503", "spec.output.destination")

    pipeline.push = push  # type: ignore[assignment]


def _slow_push() -> None:
    """Let the store fail twice."""
    answers = iter([False, False])
    patience.FIRST_PAUSE_SECONDS = 0.1

    def push(*args: Any) -> Any:
        if next(answers, True):
            return real_push(*args)
        raise Unavailable("the store answers 503", "spec.output.destination")

    pipeline.push = push


def test_a_destination_that_cannot_be_written_to_costs_no_training(site: Site):
    failed = site.run(_job(site, output={"destination": "pvc://not-mounted/x"}))
    assert failed.wait() == ExitCode.MISSING_INPUT
    assert failed.report.failure
    assert failed.report.failure.field == "spec.output.destination"
    assert "parameters learn" not in failed.output


def test_a_failed_push_costs_no_training_and_another_destination_is_published_to(site: Site):
    failed = site.run(_job(site), _no_push)
    assert failed.wait() == ExitCode.UNAVAILABLE
    assert failed.report.stage is Stage.PUSH
    retried = site.run(_job(site)).succeeded()
    assert "parameters learn" not in retried.output
    assert retried.report.metrics.evaluation == failed.report.metrics.evaluation
    assert retried.report.metrics.baseline == failed.report.metrics.baseline
    digest = read_manifest(site.published()).digest

    moved = site.run(_job(site, output={"destination": f"pvc://out/{site.folder.name}/elsewhere"})).succeeded()
    assert moved.report.artifact
    assert moved.report.artifact.uri == f"pvc://out/{site.folder.name}/elsewhere/default/job/run"
    elsewhere = site.volumes / "out" / site.folder.name / "elsewhere/default/job/run"
    assert moved.report.artifact.digest == digest == read_manifest(elsewhere).digest


def test_a_store_that_does_not_answer_is_waited_for(site: Site):
    patient = replace(site, patience_seconds=60)
    waited = patient.run(_job(site), _slow_push).succeeded()
    assert len(re.findall(r"the store answers 503 \(spec[\w.]+\); waiting for", waited.output)) == 2
    assert waited.output.count("parameters learn") == 1
    assert waited.report.progress
    assert waited.report.progress.waiting is None


def test_jobs_that_share_a_destination_and_a_workspace_do_not_touch_each_other(site: Site):
    """The same run id, as of one manifest in two namespaces, and of a namesake in another cluster."""
    job = _job(site)
    site.run(job).succeeded()
    first = read_manifest(site.published())
    others = [{**job, "namespace": "other"}, {**job, "uid": "other-uid", "training": {**job["training"], "seed": 7}}]
    places = []
    for other in others:
        artifact = site.run(other).succeeded().report.artifact
        assert artifact
        places.append(artifact.uri.removeprefix(f"pvc://out/{site.folder.name}/"))
    assert places == ["other/job/run", "default/job/run-other-ui"]
    assert read_manifest(site.published()) == first
    assert first.owner == "uid"


def test_what_is_published_already_is_not_published_again(site: Site):
    site.run(_job(site)).succeeded()
    before = (site.published() / "README.md").stat().st_ino
    (site.run_folder() / "stages/Push.json").unlink()
    assert "already" in site.run(_job(site)).succeeded().output
    assert (site.published() / "README.md").stat().st_ino == before


def test_the_same_seed_gives_the_same_weights(site: Site):
    site.run(_job(site)).succeeded()
    first = {file.path: file.sha256 for file in read_manifest(site.published()).files}
    shutil.rmtree(site.workspace)
    shutil.rmtree(site.published())
    site.run(_job(site)).succeeded()
    assert {file.path: file.sha256 for file in read_manifest(site.published()).files} == first


def _small_memory() -> None:
    """Let forward passes of more than a few rows fail as a GPU does whose memory is too small."""
    step = transformers.Trainer.training_step

    def training_step(trainer: Any, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if len(inputs["input_ids"]) > FITTING_ROWS:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(trainer, model, inputs, *args, **kwargs)

    transformers.Trainer.training_step = training_step


def test_out_of_memory_halves_the_batch_and_keeps_the_rows_per_step(site: Site):
    job = _job(site, training={"batchSize": 8, "epochs": 2})
    for expected in ("4 x 2", "2 x 4"):
        failed = site.start(job, fault=_small_memory)
        assert failed.wait() == ExitCode.OUT_OF_MEMORY
        assert failed.report.failure
        assert f"the next attempt uses {expected}" in failed.report.failure.message
        assert "Traceback" not in failed.output
    succeeded = site.run(job, fault=_small_memory).succeeded()
    assert succeeded.report.progress
    assert succeeded.report.progress.step == 2 * -(-18 // 8)


def test_a_row_that_does_not_fit_alone_is_said(site: Site):
    job = _job(site, training={"batchSize": 1})
    failed = site.start(job, fault=_no_memory)
    assert failed.wait() == ExitCode.OUT_OF_MEMORY
    assert failed.report.failure
    assert "a single row does not fit" in failed.report.failure.message


def _no_memory() -> None:
    def training_step(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    transformers.Trainer.training_step = training_step  # type: ignore[method-assign]


def test_markers_hold_records_that_people_can_read(site: Site):
    site.run(_job(site)).succeeded()
    markers = {path.stem: json.loads(path.read_text()) for path in (site.run_folder() / "stages").iterdir()}
    assert set(markers) == {"Data", "Model", "Baseline", "Train", "Evaluate", "JudgedAs", "Export", "Push"}
    assert markers["Data"]["labels"] == ["bad", "good"]
    assert markers["Push"]["digest"] == markers["Export"]["digest"]
