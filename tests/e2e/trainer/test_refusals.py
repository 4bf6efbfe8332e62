"""Runs that cannot succeed end soon, with the exit code of their class and words that say what to do."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from finetune_api.failures import EXIT_CODE_OF, FailureClass
from finetune_api.handoff import PRETENDED_GPUS
from finetune_trainer import pipeline
from tests.e2e.trainer.tiny_data import chats, reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Case:
    """A job that fails, and how."""

    failure: FailureClass
    words: list[str]
    field: str | None
    job: Callable[[Site], dict[str, Any]]


def _job(site: Site, rows: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    source = site.write("train.jsonl", rows or reviews())
    task = {"task": "SequenceClassification", "model": {"source": "pvc://models/encoder"}}
    dataset = {"train": {"source": source}, "evaluation": {"fraction": 0.25}}
    return site.job(**{**task, "dataset": dataset, "evaluation": {"baseline": False}, **changes})


def _bad_row(site: Site) -> dict[str, Any]:
    return _job(site, [*reviews(), {"text": "", "label": "good"}])


def _absent_model(site: Site) -> dict[str, Any]:
    return _job(site, model={"source": "pvc://models/absent"})


def _pickled_model(site: Site) -> dict[str, Any]:
    folder = site.volumes / "models/pickled"
    shutil.copytree(site.volumes / "models/encoder", folder, dirs_exist_ok=True)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return _job(site, model={"source": "pvc://models/pickled"})


def _code_in_the_model(site: Site) -> dict[str, Any]:
    folder = site.volumes / "models/with-code"
    shutil.copytree(site.volumes / "models/encoder", folder, dirs_exist_ok=True)
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}, "architectures": ["Own"]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('this code was run')")
    return _job(site, model={"source": "pvc://models/with-code"})


def _encoder_for_sft(site: Site) -> dict[str, Any]:
    return _job(site, chats(), task="SFT")


def _chat_without_template(site: Site) -> dict[str, Any]:
    folder = site.volumes / "models/no-template"
    shutil.copytree(site.volumes / "models/decoder", folder, dirs_exist_ok=True)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    return _job(site, chats(), task="SFT", model={"source": "pvc://models/no-template"})


def _chat_that_the_template_refuses(site: Site) -> dict[str, Any]:
    """A held-out chat, which the base model is not asked about: it is found before anything is learnt."""
    wrong = {"messages": [{"role": "user", "content": "hi"}, *chats()[0]["messages"]]}
    held_out = {"source": site.write("held-out.jsonl", [*chats()[:2], wrong])}
    template = "{% if messages[0].content == 'hi' %}{{ raise_exception('no hi') }}{% endif %}{{ messages[1].content }}"
    job = _job(site, chats(), task="SFT", model={"source": "pvc://models/decoder"}, sft={"chatTemplate": template})
    return {**job, "dataset": {**job["dataset"], "evaluation": held_out}, "evaluation": {"baseline": False}}


def _nothing_to_adapt(site: Site) -> dict[str, Any]:
    return _job(site, tuning={"method": "LoRA", "lora": {"targetModules": ["q_proj"]}})


def _weights_that_are_no_numbers(site: Site) -> dict[str, Any]:
    folder = site.volumes / "models/nan"
    shutil.copytree(site.volumes / "models/encoder", folder, dirs_exist_ok=True)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor * float("nan") for name, tensor in weights.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    return _job(site, model={"source": "pvc://models/nan"})


def _all_cut_off(site: Site) -> dict[str, Any]:
    rows = [{"prompt": "word " * 20, "completion": "end"}] * 8
    return _job(site, rows, task="SFT", model={"source": "pvc://models/decoder"}, training={"maxLength": 8})


def _unknown_field(site: Site) -> dict[str, Any]:
    return _job(site, tuning={"method": "Full", "rank": 4})


CASES = {
    "a bad row": Case(FailureClass.BAD_DATA, ["line 25, column 'text'"], "spec.dataset.train.source", _bad_row),
    "no such model": Case(FailureClass.MISSING_INPUT, ["no such folder"], "spec.model.source", _absent_model),
    "pickled weights": Case(FailureClass.BAD_SPEC, ["save_pretrained"], "spec.model.source", _pickled_model),
    "a model with code": Case(FailureClass.BAD_SPEC, ["cannot be loaded"], "spec.model.source", _code_in_the_model),
    "an encoder for SFT": Case(FailureClass.BAD_SPEC, ["causal language model"], "spec.model.source", _encoder_for_sft),
    "no chat template": Case(FailureClass.BAD_SPEC, ["no chat template"], "spec.model.source", _chat_without_template),
    "a chat that the template refuses": Case(
        FailureClass.BAD_DATA,
        ["held-out.jsonl: 1 of 3 rows", "line 3: found", "no hi"],
        "spec.dataset.evaluation.source",
        _chat_that_the_template_refuses,
    ),
    "no such modules": Case(
        FailureClass.BAD_SPEC, ["q_proj", "query"], "spec.tuning.lora.targetModules", _nothing_to_adapt
    ),
    "NaN": Case(FailureClass.NON_FINITE_LOSS, ["nan by step 1", "learningRate"], None, _weights_that_are_no_numbers),
    "rows cut off": Case(FailureClass.BAD_DATA, ["beyond 8 tokens"], "spec.training.maxLength", _all_cut_off),
    "an unknown field": Case(FailureClass.BAD_SPEC, ["tuning.rank", "found 4"], "spec.tuning.rank", _unknown_field),
}


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_cannot_succeed_says_why(site: Site, name: str):
    case = CASES[name]
    process = site.start(case.job(site))
    assert process.wait() == EXIT_CODE_OF[case.failure], process.output
    failure = process.report.failure
    assert failure
    assert failure.failure_class is case.failure
    for word in case.words:
        assert word in failure.message
    assert failure.field == case.field
    assert failure.message in process.output
    assert "Traceback" not in process.output


def _break_push() -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero\nwith a second line")

    pipeline.push = broken  # type: ignore[assignment]


def test_a_bug_has_its_traceback_in_the_log_and_one_line_in_the_report(site: Site):
    process = site.start(_job(site), fault=_break_push)
    assert process.wait() == EXIT_CODE_OF[FailureClass.BUG]
    assert "Traceback" in process.output
    failure = process.report.failure
    assert failure
    assert failure.message == "ZeroDivisionError: division by zero with a second line; the pod's log has the details"


def _no_gpu() -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def _pretended_gpu() -> None:
    _no_gpu()
    os.environ[PRETENDED_GPUS] = "on"


def test_a_gpu_that_was_asked_for_and_is_not_there_is_no_reason_to_compute_on_the_cpu(site: Site):
    job = _job(site, compute={"gpus": 1, "gpuResourceName": "example.com/gpu"})
    process = site.start(job, fault=_no_gpu)
    assert process.wait() == EXIT_CODE_OF[FailureClass.NO_ACCELERATOR], process.output
    failure = process.report.failure
    assert failure
    assert failure.field == "spec.compute.gpus"
    assert failure.message.startswith("spec.compute.gpus asks for 1 example.com/gpu, but PyTorch finds none")
    assert "runtimeClassName" in failure.message
    assert "done in" not in process.output, "nothing is fetched for a GPU that is not there"


def test_pretended_gpus_are_said_to_be_so(site: Site):
    job = {**_bad_row(site), "compute": {"gpus": 1}}
    process = site.start(job, fault=_pretended_gpu)
    assert process.wait() == EXIT_CODE_OF[FailureClass.BAD_DATA], process.output
    assert process.report.progress
    assert process.report.progress.warnings == ["The run computes on the CPU: the GPUs of this cluster are pretended."]
