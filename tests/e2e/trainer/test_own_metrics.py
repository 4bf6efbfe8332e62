"""Metrics of the user's own judge both models by what the task's own figures are made from."""

import json
from typing import Any

import pytest

from finetune_api.failures import ExitCode
from tests.e2e.trainer.tiny_data import descriptions, reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

SCRIPT = """\
import datasets
import evaluate


class Own(evaluate.Metric):
    def _info(self):
        features = datasets.Features({{name: datasets.{feature} for name in ("predictions", "references")}})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references, scale):
        pairs = list(zip(predictions, references, strict=True))
        return {{"own": scale * sum({score} for p, r in pairs) / len(pairs), "rows": len(pairs)}}
"""
SAME = "float(p == r)"
CONFIG_MAP = {"name": "own", "configMapKeyRef": {"name": "metrics", "key": "own.py"}, "arguments": {"scale": "2"}}
LISTS = [{"text": row["text"], "labels": [row["label"], "film"][: 1 + ("film" in row["text"])]} for row in reviews()]
NUMBERS = [{"text": row["text"], "label": len(row["text"]) / 10} for row in reviews()]
TEXTS = [{"source": row["prompt"], "target": row["completion"].strip()} for row in descriptions()]
CLASSIFIER: dict[str, Any] = {"task": "SequenceClassification", "model": {"source": "pvc://models/encoder"}}


def _job(site: Site, rows: list[dict[str, Any]], metric: dict[str, Any], **fields: Any) -> dict[str, Any]:
    source = site.write("rows.jsonl", rows)
    job = site.job(
        dataset={"train": {"source": source}, "evaluation": {"source": source}}, evaluation={"metrics": [metric]}
    )
    return {**job, "training": {**job["training"], "epochs": None, "maxSteps": 1}, **fields}


def _report(site: Site) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((site.published() / "evaluation.json").read_text())
    return report


@pytest.mark.parametrize(
    ("rows", "fields", "feature", "same"),
    [
        (reviews(), CLASSIFIER, 'Value("int32")', (SAME, "accuracy")),
        (
            LISTS,
            {**CLASSIFIER, "sequenceClassification": {"problemType": "MultiLabel"}},
            'Sequence(datasets.Value("int32"))',
            (SAME, "subset_accuracy"),
        ),
        (
            NUMBERS,
            {**CLASSIFIER, "sequenceClassification": {"problemType": "Regression"}},
            'Value("float32")',
            ("(p - r) ** 2", "mse"),
        ),
        (
            TEXTS,
            {"task": "Seq2Seq", "model": {"source": "pvc://models/encoder-decoder"}},
            'Value("string")',
            (SAME, "exact_match"),
        ),
        (
            [{"tokens": [word], "tags": [tag]} for word, tag in (("Tina", "B-WHO"), ("a", "O"), ("film", "O"))] * 4,
            {"task": "TokenClassification", "model": {"source": "pvc://models/encoder"}},
            'Sequence(datasets.Value("string"))',
            (SAME, "accuracy"),
        ),
    ],
    ids=["SingleLabel", "MultiLabel", "Regression", "Seq2Seq", "TokenClassification"],
)
def test_judges_what_the_figures_of_the_task_judge(
    site: Site, rows: list[dict[str, Any]], fields: dict[str, Any], feature: str, same: tuple[str, str]
):
    score, figure = same
    folder = site.volumes / "data" / site.folder.name / "metrics/same"
    folder.mkdir(parents=True)
    (folder / "same.py").write_text(SCRIPT.format(feature=feature, score=score))
    metric = {"name": "own", "source": f"pvc://data/{site.folder.name}/metrics/same", "arguments": {"scale": "2"}}
    process = site.run(_job(site, rows, metric, **fields)).succeeded()
    report = _report(site)
    for judged in ("evaluation", "baseline"):
        figures = report[judged]["metrics"]
        assert figures["own_own"] == pytest.approx(2 * figures[figure], rel=1e-5)
        assert figures["own_rows"] == len(rows)
    assert report["metricCode"]["own"].startswith("sha256:")
    assert process.report.metrics.evaluation["own_rows"] == process.report.metrics.baseline["own_rows"] == len(rows)


def test_one_that_fails_ends_the_run_before_the_training_and_is_taken_anew_by_the_next_launch(site: Site):
    site.code.mkdir(parents=True)
    right = SCRIPT.format(feature='Value("int32")', score=SAME)
    (site.code / "metric-own").write_text(right.replace("scale * sum", "absent * sum"))
    job = _job(site, reviews(), CONFIG_MAP, **CLASSIFIER)
    process = site.run(job)
    assert process.wait() == ExitCode.BAD_SPEC
    failure = process.report.failure
    assert failure is not None
    assert failure.field == "spec.evaluation.metrics[own]"
    assert "failed in line 12 of own.py: NameError: name 'absent' is not defined" in failure.message
    assert "Traceback" not in process.output
    assert not (site.run_folder() / "stages/Train.json").exists()
    (site.code / "metric-own").write_text(right)
    site.run(job).succeeded()
    assert _report(site)["baseline"]["metrics"]["own_rows"] == len(reviews())


def test_a_published_run_is_judged_again_by_a_metric_that_is_added(site: Site):
    site.code.mkdir(parents=True)
    (site.code / "metric-own").write_text(SCRIPT.format(feature='Value("int32")', score=SAME))
    job = _job(site, reviews(), CONFIG_MAP, **CLASSIFIER)
    site.run({**job, "evaluation": {}}).succeeded()
    figures = site.run({**job, "trained": True}).succeeded().report.metrics
    assert figures.evaluation["own_own"] == 2 * figures.evaluation["accuracy"]
    assert figures.baseline["own_own"] == 2 * figures.baseline["accuracy"]
