"""The operator's counters, and that their names are as Prometheus wants them."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import yaml
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from finetune_operator import __version__
from finetune_operator.exposition import Exposition, Sources
from finetune_operator.metrics import Tally
from finetune_operator.occurrence import Measure, Occurrence
from finetune_operator.reconcile.queue import WorkQueue
from tests.unit.operator.builders import Scene

ROOT = Path(__file__).resolve().parents[3]


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_what_occurred_is_counted_in_its_namespace() -> None:
    tally = Tally(gpu_hour_price=2.0, currency="EUR")
    tally.begin(["team"])
    # Stages are counted over all namespaces, and by other tests of this process, too.
    stages_before = value("finetune_stage_duration_seconds_count", stage="Data")
    tally.count("team", [Occurrence(Measure.RUN_FAILED, label="BadData"), Occurrence(Measure.RUN_SUCCEEDED)])
    tally.count("team", [Occurrence(Measure.GPU_SECONDS, 1800), Occurrence(Measure.RETRY, 2)])
    tally.count("team", [Occurrence(Measure.QUEUE_WAIT_SECONDS, 90), Occurrence(Measure.STAGE_SECONDS, 7, "Data")])
    finished = {"namespace": "team", "result": "Failed"}
    assert value("finetune_runs_finished_total", **finished, failure_class="BadData") == 1
    assert value("finetune_runs_finished_total", **finished, failure_class="Bug") == 0
    assert value("finetune_runs_finished_total", namespace="team", result="Succeeded", failure_class="") == 1
    assert value("finetune_run_retries_total", namespace="team") == 2
    assert value("finetune_gpu_seconds_total", namespace="team") == 1800
    assert value("finetune_cost_total", namespace="team", currency="EUR") == 1.0
    assert value("finetune_queue_wait_seconds_sum", namespace="team") == 90
    assert value("finetune_stage_duration_seconds_count", stage="Data") == stages_before + 1


def test_without_a_price_no_cost_is_told() -> None:
    tally = Tally()
    tally.begin(["free"])
    tally.count("free", [Occurrence(Measure.GPU_SECONDS, 1800)])
    assert REGISTRY.get_sample_value("finetune_cost_total", {"namespace": "free", "currency": ""}) is None


async def exposed(*scenes: Scene) -> Iterator[tuple[str, dict[str, str], float]]:
    jobs = [(scene.resource, tuple(scene.of_kind("Pod"))) for scene in scenes]
    sources = Sources(lambda: jobs, WorkQueue(), lambda: {"": True}, lambda: {"theirs": "other/operator"})
    text = (await Exposition(sources, Tally()).render()).decode()
    return ((s.name, s.labels, s.value) for family in text_string_to_metric_families(text) for s in family.samples)


async def test_errors_are_told_before_there_are_any() -> None:
    told = {labels["result"] for name, labels, _ in await exposed() if name == "finetune_operator_reconcile_total"}
    assert told == {"ok", "conflict", "error"}


async def test_scrape_tells_of_each_job_that_is_there() -> None:
    first, second = Scene("first"), Scene("second")
    for scene in (first, second):
        scene.resource["metadata"]["namespace"] = "scraped"
    samples = list(await exposed(first, second))
    names = {labels.get("name") for name, labels, _ in samples if name == "finetune_job_status_info"}
    assert names == {"first", "second"}
    assert ("finetune_jobs", {"namespace": "scraped", "phase": "Pending"}, 2.0) in samples
    assert ("finetune_operator_build_info", {"version": __version__}, 1.0) in samples
    assert ("finetune_operator_queue_oldest_wait_seconds", {}, 0.0) in samples
    # A namespace's counters begin at nothing, so that the first step of each is seen.
    assert ("finetune_run_retries_total", {"namespace": "scraped"}, 0.0) in samples
    gone = list(await exposed(second))
    assert not any(labels.get("name") == "first" for _, labels, _ in gone)


def test_version_is_the_packages() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__
    for chart in ("finetune-operator", "finetune-jobs"):
        written = yaml.safe_load((ROOT / f"charts/{chart}/Chart.yaml").read_text())
        assert {written["version"], written.get("appVersion", __version__)} == {__version__}


async def test_names_follow_prometheus_conventions() -> None:
    own = {name for name, _, _ in await exposed(Scene()) if name.startswith("finetune_")}
    assert len(own) > 20
    for name in own:
        assert re.fullmatch(r"finetune_[a-z][a-z_]*", name), name
        assert not name.endswith(("_minutes", "_hours", "_percent", "_created")), name
