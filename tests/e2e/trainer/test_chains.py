"""One job after another: DPO on the model that SFT published, each with adapters of its own, merged in sequence."""

import json

import pytest
import torch
from peft import PeftConfig
from safetensors.torch import load_file

from finetune_trainer.artifact import read_manifest
from tests.e2e.trainer.tiny_data import chat_pairs, chats
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

LORA = {"method": "LoRA", "lora": {"rank": 4, "alpha": 8}}
WEIGHT = "model.layers.0.self_attn.q_proj"


def _delta(site: Site, run: str) -> torch.Tensor:
    """Return what a run's adapters add to one weight."""
    folder = site.run_folder(run) / "adapter"
    config = PeftConfig.from_pretrained(folder)
    adapters = load_file(folder / "adapter_model.safetensors")
    down, up = (adapters[f"base_model.model.{WEIGHT}.lora_{side}.weight"] for side in "AB")
    return up @ down * (config.lora_alpha / config.r)


def test_dpo_goes_on_from_sft_and_both_adapters_are_merged_in_sequence(site: Site):
    rows, pairs = site.write("chats.jsonl", chats()), site.write("pairs.jsonl", chat_pairs())
    sft = site.job(
        task="SFT",
        runId="sft",
        tuning=LORA,
        model={"source": "pvc://models/decoder"},
        dataset={"train": {"source": rows}, "evaluation": {"source": rows}},
        evaluation={"maxNewTokens": 2},
    )
    site.run(sft).succeeded()
    published = {"job": "sft", "run": "sft", "uri": f"pvc://out/{site.folder.name}/default/job/sft"}
    published["digest"] = read_manifest(site.published("sft")).digest
    dpo = site.job(
        task="DPO",
        runId="dpo",
        tuning=LORA,
        model={"source": "job://sft"},
        sources={"spec.model.source": published},
        dataset={"train": {"source": pairs}, "evaluation": {"source": pairs}},
        evaluation={"maxNewTokens": 2},
    )
    site.run(dpo).succeeded()

    weights = [
        load_file(folder / "model.safetensors")[f"{WEIGHT}.weight"]
        for folder in (site.volumes / "models/decoder", site.published("sft"), site.published("dpo"))
    ]
    both = [_delta(site, "sft"), _delta(site, "dpo")]
    assert min(float(delta.abs().max()) for delta in both) > 1e-4
    torch.testing.assert_close(weights[1], weights[0] + both[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(weights[2], weights[0] + both[0] + both[1], atol=1e-6, rtol=0)
    losses = json.loads((site.published("dpo") / "evaluation.json").read_text())["training"]["lossHistory"]
    # Before the first step the tuned model is its own reference: SFT's model, not the base under it.
    assert losses[0][1] == pytest.approx(0.6931, abs=1e-4)
