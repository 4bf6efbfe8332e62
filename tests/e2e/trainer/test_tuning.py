"""Every kind of tuning: frozen weights stay, adapters end up in full precision, interruptions change nothing."""

import hashlib
import json
import shutil
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, GenerationConfig

from finetune_api.failures import ExitCode, FailureClass
from finetune_trainer.models import adapters, merging
from finetune_trainer.runtime.workspace import Workspace
from tests.e2e.trainer.tiny_data import chats, reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

LORA = {"rank": 4, "alpha": 8}
STEPS = 12
ADAPTERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "PiSSA, rsLoRA, a whole head, Adafactor": (
        "LoRA",
        {"useRslora": True, "initLoraWeights": "pissa_niter_4", "modulesToSave": ["lm_head"]},
        {"optimizer": "adafactor", "lrSchedulerType": "inverse_sqrt", "warmupSteps": 2},
    ),
    "DoRA, whole embeddings, 8-bit AdamW": (
        "LoRA",
        {"useDora": True, "dropout": 0.1, "modulesToSave": ["embed_tokens"]},
        {
            "optimizer": "adamw_8bit",
            "lrSchedulerType": "cosine_with_restarts",
            "lrSchedulerArguments": {"num_cycles": 2},
        },
    ),
    "QLoRA, paged 8-bit AdamW, NEFTune": (
        "QLoRA",
        {"dropout": 0.1},
        {"optimizer": "paged_adamw_8bit", "neftuneNoiseAlpha": 5, "evaluationIntervalSteps": 4},
    ),
    "QLoRA on the original weights, 8-bit Lion": (
        "QLoRA",
        {"mergeBase": "Original", "quantType": "fp4"},
        {"optimizer": "lion_8bit", "learningRate": 1e-3},
    ),
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
        training={
            "epochs": None,
            "maxSteps": STEPS,
            "checkpointIntervalSteps": STEPS // 2,
            "learningRate": 1e-2,
            **changes,
        },
        evaluation={"baseline": False, "maxNewTokens": 2},
    )


def _report(site: Site) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((site.published() / "evaluation.json").read_text())
    return report


def _weights_and_losses(site: Site) -> tuple[str, list[Any]]:
    weights = hashlib.sha256((site.published() / "model.safetensors").read_bytes()).hexdigest()
    return weights, _report(site)["training"]["lossHistory"]


def _expect_the_same_from_the_middle(site: Site, job: dict[str, Any]) -> None:
    """Go on from the first checkpoint, as after a pod's death, and compare all with the run that nothing disturbed."""
    undisturbed = _weights_and_losses(site)
    run = site.run_folder()
    for folder in (run / f"checkpoints/checkpoint-{STEPS}", run / "model", run / "export", site.published()):
        shutil.rmtree(folder, ignore_errors=True)
    for stage in ("Train", "Evaluate", "Export", "Push"):
        (run / f"stages/{stage}.json").unlink(missing_ok=True)
    assert f"resuming from the checkpoint at step {STEPS // 2}\n" in site.run(job).succeeded().output
    assert _weights_and_losses(site) == undisturbed


def _keep_checkpoints() -> None:
    Workspace.drop_intermediates = lambda _self: None  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", ADAPTERS)
def test_the_merged_model_answers_as_the_adapters_did_and_interruptions_change_nothing(site: Site, kind: str):
    method, options, training = ADAPTERS[kind]
    job = _job(site, {"method": method, method.lower(): {**LORA, **options}}, **training)
    output = site.run(job, _keep_checkpoints).succeeded().output
    merge = _report(site)["merge"]
    assert merge["difference"]["share"] < 1e-5
    assert merge["difference"]["agreement"] == 1
    assert "logits differ by at most" in output
    assert "kernels" not in output
    if method == "QLoRA":
        assert merge["base"] == options.get("mergeBase", "Dequantized")
        assert merge["otherBase"]["share"] > 0.01
    _expect_a_full_model(site)
    _expect_the_same_from_the_middle(site, job)


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


def _expect_no_rounding() -> None:
    merging.HALF_TOLERANCE = 1e-9


def _expect_no_rounding_and_merge_onto_other_weights() -> None:
    _expect_no_rounding()
    _merge_onto_other_weights()


def test_rounding_to_16_bits_is_measured_where_it_exceeds_what_is_usual(site: Site):
    job = _job(site, {"method": "LoRA", "lora": LORA}, precision="BF16")
    fine = site.run(job, _expect_no_rounding).succeeded()
    assert "rounding to 16 bits alone" in fine.output
    job["runId"] = "wrong"
    assert site.run(job, _expect_no_rounding_and_merge_onto_other_weights).wait() == ExitCode.MERGE_MISMATCH


def test_frozen_weights_are_unchanged_bit_for_bit_and_interruptions_change_nothing(site: Site):
    learning = ("encoder.layer.1.", "pooler.", "classifier.")
    tuning = {"method": "Freeze", "freeze": {"trainableLayers": 1}}
    training = {"weightDecay": 0.1, "neftuneNoiseAlpha": 5, "lrSchedulerType": "polynomial", "optimizer": "adamw_torch"}
    job = _job(site, tuning, "SequenceClassification", **training)
    site.run(job, _keep_checkpoints).succeeded()
    base = load_file(site.volumes / "models/encoder/model.safetensors")
    before = {f"bert.{name}": value for name, value in base.items()}
    after = load_file(site.published() / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if any(part in name for part in learning)}
    count = sum(value.numel() for name, value in after.items() if any(part in name for part in learning))
    assert _report(site)["training"]["trainableParameters"] == count
    assert json.loads((site.published() / "config.json").read_text())["id2label"] == {"0": "bad", "1": "good"}
    _expect_the_same_from_the_middle(site, job)
