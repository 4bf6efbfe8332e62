"""Failure classes, exit codes and the termination report."""

import json

import pytest

from finetune_api.failures import EXIT_CODE_OF, FailureClass
from finetune_api.handoff import Artifact, Failure, Metrics, Progress, Stage, TerminationReport
from finetune_trainer import errors
from finetune_trainer.runtime.device import device_failure, is_out_of_memory
from finetune_trainer.runtime.termination import fit

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TrainerError)]


def test_every_class_of_failure_but_a_bug_has_an_error():
    raised = {kind.failure_class for kind in CLASSES if kind is not errors.TrainerError}
    assert raised == set(FailureClass) - {FailureClass.BUG}


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_carries_its_class_message_and_field(kind: type[errors.TrainerError]):
    error = kind("words", "spec.field")
    assert error.exit_code == EXIT_CODE_OF[kind.failure_class]
    assert error.as_failure() == Failure(failure_class=kind.failure_class, message="words", field="spec.field")


def _report(message: str, figures: int) -> TerminationReport:
    metrics = {f"a_metric_with_a_long_name_{number}": number / 7 for number in range(figures)}
    return TerminationReport(
        run_id="run",
        stage=Stage.PUSH,
        failure=Failure(failure_class=FailureClass.BAD_DATA, message=message),
        progress=Progress(run_id="run", stage=Stage.PUSH, step=3),
        metrics=Metrics(train=metrics, evaluation=metrics, baseline=metrics),
        artifact=Artifact(uri="s3://bucket/model", digest="sha256:" + "0" * 64, size_bytes=1),
    )


@pytest.mark.parametrize("figures", [0, 10, 40, 1000])
@pytest.mark.parametrize("message", ["short", "x" * 3900, "ä" * 5000, '"' * 20000])
def test_the_report_fits_and_keeps_what_matters(message: str, figures: int):
    encoded = fit(_report(message, figures))
    assert len(encoded) <= 4096
    report = TerminationReport.model_validate(json.loads(encoded))
    assert report.failure
    assert report.failure.failure_class is FailureClass.BAD_DATA
    assert report.failure.message[:5] == message[:5]
    assert report.artifact == _report(message, 0).artifact


def test_a_report_that_fits_is_left_whole():
    report = _report("short", 5)
    assert TerminationReport.model_validate(json.loads(fit(report))) == report


@pytest.mark.parametrize(
    ("words", "memory", "device"),
    [
        ("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`", True, False),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True, False),
        ("CUDA error: uncorrectable ECC error encountered", False, True),
        ("CUDA error: all CUDA-capable device(s) is/are busy or unavailable", False, True),
        ("NCCL error in: ProcessGroupNCCL.cpp:268, unhandled system error", False, True),
        ("CUDA error: device-side assert triggered", False, False),
        ("mat1 and mat2 shapes cannot be multiplied", False, False),
    ],
)
def test_what_cudas_libraries_say_is_told_apart(words: str, memory: bool, device: bool):
    assert is_out_of_memory(RuntimeError(words)) is memory
    found = device_failure(RuntimeError(words))
    assert (found is not None) is device
    assert found is None or found.failure_class is FailureClass.NO_ACCELERATOR
    assert not is_out_of_memory(ValueError(words))
