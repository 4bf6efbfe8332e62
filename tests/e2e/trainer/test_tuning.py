"""Frozen weights stay, adapters of every kind end up in full-precision weights, and a merge that is wrong ends it."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, GenerationConfig

from finetune_api.failures import ExitCode, FailureClass
from finetune_trainer import adapters
from tests.e2e.trainer.tiny_data import chats, reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

LORA = {"rank": 4, "alpha": 8}
ADAPTERS = {
    "PiSSA, rsLoRA and a whole head": ("LoRA", {"useRslora": True, "initLoraWeights": "pissa_niter_4"}, ["lm_head"]),
    "DoRA and whole embeddings": ("LoRA", {"useDora": True, "dropout": 0.1}, ["embed_tokens"]),
    "QLoRA": ("QLoRA", {}, None),
    "QLoRA on the original weights": ("QLoRA", {"mergeBase": "Original", "quantType": "fp4"}, None),
}


def _job(site: Site, tuning: dict[str, Any], task: str = "SFT", **changes: Any) -> dict[str, Any]:
    rows, model = (chats(), "decoder") if task == "SFT" else (reviews(), "encoder")
    return site.job(
        task=task,
        tuning=tuning,
        model={"source": f"pvc://models/{model}"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("evaluation.jsonl", rows[:2])},
        },
        training={"epochs": None, "maxSteps": 8, "learningRate": 1e-2, **changes},
        evaluation={"baseline": False, "maxNewTokens": 2},
    )


def _report(site: Site) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((site.published() / "evaluation.json").read_text())
    return report


@pytest.mark.parametrize("kind", ADAPTERS)
def test_the_merged_model_answers_as_the_adapters_did(site: Site, kind: str):
    method, options, whole = ADAPTERS[kind]
    block = {**LORA, **options, **({"modulesToSave": whole} if whole else {})}
    output = site.run(_job(site, {"method": method, method.lower(): block})).succeeded().output
    merge = _report(site)["merge"]
    assert merge["difference"]["share"] < 1e-5
    assert merge["difference"]["agreement"] == 1
    assert "logits differ by at most" in output
    assert "kernels" not in output
    if method == "QLoRA":
        assert merge["base"] == options.get("mergeBase", "Dequantized")
        assert merge["otherBase"]["share"] > 0.01
    _expect_a_full_model(site)


def _expect_a_full_model(site: Site) -> None:
    base, published = site.volumes / "models/decoder", site.published()
    before, after = (load_file(folder / "model.safetensors") for folder in (base, published))
    assert {name: (value.shape, value.dtype) for name, value in before.items()} == {
        name: (value.shape, value.dtype) for name, value in after.items()
    }
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert not list(published.glob("adapter*"))
    assert "quantization_config" not in json.loads((published / "config.json").read_text())
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (base, published)]
    assert tokenizers[0].chat_template == tokenizers[1].chat_template
    assert tokenizers[0].get_vocab() == tokenizers[1].get_vocab()
    settings = [GenerationConfig.from_pretrained(folder).to_diff_dict() for folder in (base, published)]
    assert settings[0] == settings[1]
    assert "| merged model against the adapters |" in (published / "README.md").read_text()


def _merge_onto_other_weights() -> None:
    original = adapters.put_onto

    def put_onto(base: Any, adapter: Any) -> Any:
        base.model.layers[0].self_attn.q_proj.weight.data *= 1.5
        return original(base, adapter)

    adapters.put_onto = put_onto


def test_a_merge_that_answers_otherwise_publishes_nothing(site: Site):
    ended = site.run(_job(site, {"method": "LoRA", "lora": LORA}), _merge_onto_other_weights)
    assert ended.wait() == ExitCode.MERGE_MISMATCH
    assert ended.report.failure
    assert ended.report.failure.failure_class is FailureClass.MERGE_MISMATCH
    assert ended.report.failure.field == "spec.output.mergeTolerance"
    assert "of the largest" in ended.report.failure.message
    assert not site.published().exists()


FROZEN = {
    "the last layer and the head": ({"trainableLayers": 1}, ("encoder.layer.1.", "pooler.", "classifier.")),
    "patterns": ({"trainablePatterns": ["*.query.weight"]}, (".query.weight", "classifier.")),
    "all but the embeddings": ({"embeddingsOnly": True}, ("encoder.layer.", "pooler.", "classifier.")),
}


@pytest.mark.parametrize("kind", FROZEN)
def test_frozen_weights_are_unchanged_bit_for_bit(site: Site, kind: str):
    options, learning = FROZEN[kind]
    job = _job(site, {"method": "Freeze", "freeze": options}, "SequenceClassification", weightDecay=0.1)
    site.run(job).succeeded()
    before = {
        f"bert.{name}": value for name, value in load_file(site.volumes / "models/encoder/model.safetensors").items()
    }
    after = load_file(site.published() / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if any(part in name for part in learning)}
    count = sum(value.numel() for name, value in after.items() if any(part in name for part in learning))
    assert _report(site)["training"]["trainableParameters"] == count
    assert json.loads((site.published() / "config.json").read_text())["id2label"] == {"0": "bad", "1": "good"}


@pytest.mark.parametrize(
    ("tuning", "field", "words"),
    [
        ({"method": "Freeze", "freeze": {"trainableLayers": 3}}, "freeze.trainableLayers", "the model has 2"),
        ({"method": "Freeze", "freeze": {"trainablePatterns": ["x.*"]}}, "freeze.trainablePatterns", "q_proj.weight"),
        ({"method": "LoRA", "lora": {"modulesToSave": ["head"]}}, "lora.modulesToSave", "lm_head"),
    ],
)
def test_what_the_model_does_not_have_is_named(site: Site, tuning: dict[str, Any], field: str, words: str):
    ended = site.run(_job(site, tuning))
    assert ended.wait() == ExitCode.BAD_SPEC
    assert ended.report.failure
    assert ended.report.failure.field == f"spec.tuning.{field}"
    assert words in ended.report.failure.message


def test_a_schedule_that_refuses_its_arguments_is_named(site: Site):
    ended = site.run(_job(site, {"method": "Full"}, lrSchedulerArguments={"cycles": 2}))
    assert ended.wait() == ExitCode.BAD_SPEC
    assert ended.report.failure
    assert "unexpected keyword argument 'cycles'" in ended.report.failure.message
