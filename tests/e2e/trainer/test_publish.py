"""What a run publishes, read back with other means than those that wrote it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from finetune_trainer.artifact import read_manifest, verify
from tests.e2e.trainer.tiny_data import chats, descriptions, reviews
from tests.e2e.trainer.trainer_process import Site, TrainerProcess
from tests.event_files import curves

pytestmark = pytest.mark.e2e


def _classify(site: Site, **changes: Any) -> TrainerProcess:
    rows = reviews()
    return site.run(
        site.job(
            task="SequenceClassification",
            model={"source": "pvc://models/encoder"},
            dataset={
                "train": {"source": site.write("train.jsonl", rows)},
                "evaluation": {"source": site.write("evaluation.jsonl", rows[::3])},
            },
            **{"training": {"epochs": 6, "learningRate": 5e-3, "loggingIntervalSteps": 5}, **changes},
        )
    ).succeeded()


def _generate(site: Site, rows: list[dict[str, Any]], **changes: Any) -> TrainerProcess:
    return site.run(
        site.job(
            task="SFT",
            model={"source": "pvc://models/decoder"},
            dataset={
                "train": {"source": site.write("train.jsonl", rows)},
                "evaluation": {"source": site.write("evaluation.jsonl", rows[::4])},
            },
            training={"epochs": 6, "learningRate": 1e-2},
            **{"evaluation": {"maxNewTokens": 6}, **changes},
        )
    ).succeeded()


def _evaluation(folder: Path) -> dict[str, Any]:
    evaluation: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return evaluation


@pytest.fixture(scope="module")
def classified(volumes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, TrainerProcess]:
    """A finished run of task SequenceClassification."""
    site = Site(volumes, tmp_path_factory.mktemp("classified"))
    return site, _classify(site)


def test_a_classifier_is_published_with_its_labels_and_digest(classified: tuple[Site, TrainerProcess]):
    site, process = classified
    artifact = process.report.artifact
    assert artifact
    assert artifact.uri == f"pvc://out/{site.folder.name}/default/job/run"
    manifest = verify(site.published(), artifact.digest)
    assert artifact.size_bytes == manifest.size_bytes
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md", "evaluation.json"} <= set(manifest.paths)
    config = json.loads((site.published() / "config.json").read_text())
    assert config["id2label"] == {"0": "bad", "1": "good"}


def test_the_figures_are_those_of_the_published_files(classified: tuple[Site, TrainerProcess]):
    site, process = classified
    rows = reviews()[::3]
    tokenizer = AutoTokenizer.from_pretrained(site.published())
    model = AutoModelForSequenceClassification.from_pretrained(site.published()).eval()
    labels = torch.tensor([model.config.label2id[row["label"]] for row in rows])
    with torch.no_grad():
        logits = torch.cat([model(**tokenizer(row["text"], return_tensors="pt")).logits for row in rows])
    metrics = process.report.metrics
    assert metrics.evaluation["loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(logits, labels).item(), abs=1e-5
    )
    assert metrics.evaluation["accuracy"] == pytest.approx((logits.argmax(1) == labels).float().mean().item())
    assert metrics.evaluation["accuracy"] > metrics.baseline["accuracy"]
    assert _evaluation(site.published())["evaluation"]["metrics"] == pytest.approx(metrics.evaluation)


def test_the_curves_outlive_the_pod(classified: tuple[Site, TrainerProcess]):
    site, process = classified
    published = _evaluation(site.published())
    (file,) = (site.published() / "runs").iterdir()
    found = curves(file)
    history = published["training"]["history"]
    assert len(history) > 3
    assert found["train/loss"] == [(entry["step"], pytest.approx(entry["loss"])) for entry in history]
    assert found["eval/accuracy"] == [
        (published["training"]["steps"], pytest.approx(process.report.metrics.evaluation["accuracy"]))
    ]
    (live,) = (site.run_folder() / "runs").iterdir()
    assert curves(live)["train/loss"] == found["train/loss"]
    assert file.stat().st_size < 100_000


def test_the_card_is_one_that_the_hub_reads(classified: tuple[Site, TrainerProcess]):
    site, process = classified
    card = ModelCard.load(site.published() / "README.md")
    assert card.data.pipeline_tag == "text-classification"
    figures = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert figures == pytest.approx(process.report.metrics.evaluation)
    assert "The base model has no classification head" in card.text
    assert "| **good** |" in card.text
    assert "job-uid" not in card.text


def test_the_workspace_keeps_the_record_but_no_checkpoints(classified: tuple[Site, TrainerProcess]):
    site, _ = classified
    names = {path.name for path in (site.run_folder()).iterdir()}
    assert {"stages", "report.json"} <= names
    assert not {"checkpoints", "base"} & names


def test_every_line_for_people_is_short_and_says_its_stage(classified: tuple[Site, TrainerProcess]):
    _, process = classified
    stages = {"run", "data", "model", "train", "baseline", "evaluate", "export", "push", "result"}
    lines = process.output.splitlines()
    assert {line.split()[0] for line in lines} == stages
    assert len(lines) < 60
    assert any("loss" in line and "rows/s" in line and "eta" in line for line in lines)


def test_three_labels_with_lora_and_a_head_of_two_layers(site: Site):
    rows = reviews()
    for row in rows[::5]:
        row["label"] = "mixed"
    process = site.run(
        site.job(
            task="SequenceClassification",
            model={"source": "pvc://models/roberta"},
            sequenceClassification={"labels": ["mixed", "good", "bad"]},
            tuning={"method": "LoRA", "lora": {"rank": 2}},
            dataset={"train": {"source": site.write("train.jsonl", rows)}, "evaluation": {"fraction": 0.25}},
            training={"precision": "BF16", "gradientCheckpointing": True, "evaluationIntervalSteps": 2},
            evaluation={"baseline": False},
        )
    ).succeeded()
    report = _evaluation(site.published())
    assert report["data"]["labels"] == ["mixed", "good", "bad"]
    assert [len(row) for row in report["evaluation"]["confusion"]] == [3, 3, 3]
    assert report["training"]["trainableParameters"] < report["training"]["totalParameters"]
    assert process.report.metrics.baseline == {}
    assert "held-out rows at step 2" in process.output
    verdict = pipeline("text-classification", model=str(site.published()))("a warm film")
    assert verdict[0]["label"] in ("mixed", "good", "bad")


@pytest.mark.parametrize("kind", ["chat, LoRA", "prompts, Full"])
def test_a_language_model_is_published_merged_and_measured(site: Site, kind: str):
    rows = chats() if kind.startswith("chat") else descriptions()
    process = _generate(site, rows, tuning={"method": kind.split(", ")[1]})
    tokenizer = AutoTokenizer.from_pretrained(site.published())
    model = AutoModelForCausalLM.from_pretrained(site.published()).eval()
    total, count = 0.0, 0
    for row in rows[::4]:
        ids, start = _tokens(row, tokenizer)
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, start - 1 : -1]
        total += torch.nn.functional.cross_entropy(logits, torch.tensor(ids[start:]), reduction="sum").item()
        count += len(ids) - start
    metrics = process.report.metrics.evaluation
    assert metrics["tokens"] == count
    assert metrics["loss"] == pytest.approx(total / count, abs=1e-5)
    assert metrics["perplexity"] == pytest.approx(torch.tensor(total / count).exp().item(), rel=1e-4)
    assert metrics["loss"] < process.report.metrics.baseline["loss"]
    assert not [path for path in read_manifest(site.published()).paths if "adapter" in path]
    assert tokenizer.chat_template


def _tokens(row: dict[str, Any], tokenizer: Any) -> tuple[list[int], int]:
    """Return the row's tokens, and the first that counts."""
    if "messages" in row:
        return list(tokenizer.apply_chat_template(row["messages"])["input_ids"]), 1
    prompt = tokenizer(row["prompt"])["input_ids"]
    return [*tokenizer(row["prompt"] + row["completion"])["input_ids"], tokenizer.eos_token_id], len(prompt)


def test_samples_of_tuned_and_base_stand_side_by_side(site: Site):
    prompts = ["Product: lamp | Material: oak\nDescription:", "a warm | funny film"]
    _generate(site, descriptions(), evaluation={"samplePrompts": prompts, "maxNewTokens": 6})
    report = _evaluation(site.published())
    for which in ("evaluation", "baseline"):
        assert [sample["input"] for sample in report[which]["samples"]] == prompts
    assert report["evaluation"]["samples"] != report["baseline"]["samples"]
    card = (site.published() / "README.md").read_text()
    assert "| input | a warm \\| funny film |" in card
