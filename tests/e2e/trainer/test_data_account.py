"""What a run says of its data, and that rows are encoded once only."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from finetune_api.handoff import RunRequest
from finetune_trainer.data.rows import RowWriter, StoredRows
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.stages.encoding import KEPT_ENTRIES, encode_rows, write_arrow
from finetune_trainer.tasks import Recipe, recipe_for
from tests.e2e.trainer.tiny_data import descriptions, reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e


def test_report_card_and_status_tell_what_became_of_the_rows(site: Site):
    unread = {"text": "word " * 200, "label": "good", "context": "A column that nobody reads."}
    rows = [*reviews(), unread, {"text": "to be left out", "label": "none"}]
    job = site.job(
        task="SequenceClassification",
        model={"source": "pvc://models/encoder"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("held-out.jsonl", reviews())},
            "test": {"source": site.write("test.jsonl", [*reviews()[:3], *reviews()[-3:]])},
            "filter": [{"column": "label", "operator": "NotIn", "values": ["none"]}],
        },
        training={"maxLength": 32, "maxSteps": 1, "epochs": None},
        evaluation={"baseline": False},
    )
    process = site.run(job).succeeded()
    data = json.loads((site.published() / "evaluation.json").read_text())["data"]
    trained = len(rows) - 1
    assert data["rows"]["train"] == {"files": 1, "read": len(rows), "filtered": 1, "blank": 0}
    assert (data["trainRows"], data["evaluationRows"], data["testRows"]) == (trained, len(reviews()), 6)
    assert data["labelCounts"] == {label: sum(row["label"] == label for row in rows) for label in ("bad", "good")}
    tokens = data["tokens"]
    assert (tokens["rows"], tokens["truncatedRows"], tokens["tokensMax"]) == (trained, 1, 32)
    assert tokens["truncatedShare"] == pytest.approx(
        tokens["truncatedTokens"] / (tokens["tokens"] + tokens["truncatedTokens"]), abs=1e-5
    )
    assert process.report.progress
    warnings = process.report.progress.warnings
    assert warnings[0] == "spec.dataset.train: not read by this task, and so not learnt: context (1 rows)"
    assert data["warnings"] == warnings[:1]
    assert "cut off, in 1 of" in warnings[1]
    assert {"accuracy", "test_accuracy", "test_loss"} <= process.report.metrics.evaluation.keys()
    card = (site.published() / "README.md").read_text()
    for words in (f"of {len(rows)} rows read, 1 were filtered out", "1 rows cut off", "Results on the test rows"):
        assert words in card
    again = site.run({**job, "runId": "other", "training": {**job["training"], "learningRate": 1e-4}}).succeeded()
    assert "rows were encoded before" in again.output
    assert again.report.progress
    assert again.report.progress.warnings == warnings


@pytest.fixture
def sft(site: Site) -> tuple[Recipe, Loaded, StoredRows]:
    """Task SFT on a tiny model, and stored rows."""
    request = RunRequest.model_validate(
        site.job(
            task="SFT", model={"source": "pvc://models/decoder"}, dataset={"train": {"source": "pvc://data/x.csv"}}
        )
    )
    recipe = recipe_for(request)
    with RowWriter(site.folder / "rows.jsonl") as writer:
        for row in descriptions():
            writer.append(row)
    loaded = recipe.load(site.volumes / "models/decoder", LoadPlan("float32", 1), ())
    return recipe, loaded, StoredRows(writer.path)


def test_rows_are_encoded_once_for_the_same_settings(
    sft: tuple[Recipe, Loaded, StoredRows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe, loaded, rows = sft
    cache = tmp_path / "encoded"
    first = encode_rows(recipe, rows, loaded, 64, cache)
    assert [row["input_ids"] for row in first.rows] == [
        row["input_ids"] for row in recipe.encode(list(rows), loaded, 64)
    ]
    assert first.counts.tokens == sum(len(row["input_ids"]) for row in first.rows)
    lengths = sorted(len(row["input_ids"]) for row in first.rows)
    assert (first.counts.tokens_p50, first.counts.tokens_max) == (lengths[(len(lengths) - 1) // 2], lengths[-1])

    with monkeypatch.context() as patch:
        patch.setattr(recipe, "encode", _not_again)
        again = encode_rows(recipe, rows, loaded, 64, cache)
        assert again.counts == first.counts
        assert list(again.rows) == list(first.rows)
        loaded.tokenizer.add_tokens(["<new>"])
        with pytest.raises(AssertionError, match="encoded again"):
            encode_rows(recipe, rows, loaded, 64, cache)
    for length in (16, 24):
        assert encode_rows(recipe, rows, loaded, length, cache).counts.truncated_rows > 0
    assert len(list(cache.iterdir())) == KEPT_ENTRIES


def _not_again(*_: Any) -> list[dict[str, Any]]:
    raise AssertionError("encoded again")


def test_columns_are_widened_when_later_rows_hold_more(tmp_path: Path):
    batches = [
        [{"ids": [], "said": [{"role": "user"}], "weight": 1}],
        [],
        [{"ids": [1, 2], "said": [{"role": "user", "name": "Ada"}], "weight": 0.5, "more": "x"}],
        [{"ids": [3], "said": [], "weight": 2}],
    ]
    assert write_arrow(iter(batches), tmp_path / "rows.arrow") == 3
    rows = list(Dataset.from_file(str(tmp_path / "rows.arrow")))
    assert [row["ids"] for row in rows] == [[], [1, 2], [3]]
    assert [row["weight"] for row in rows] == [1.0, 0.5, 2.0]
    assert [row["more"] for row in rows] == [None, "x", None]
    assert rows[1]["said"] == [{"role": "user", "name": "Ada"}]
    assert rows[0]["said"] == [{"role": "user", "name": None}]
