"""Metrics are named as Prometheus wants it, all are on the page, and dashboards and alerts ask for no others."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from crdgen.metrics import Entry, catalogue
from dashboards.reading import boards, filled
from devcluster.prometheus import program
from finetune_api.handoff import Stage
from finetune_operator.exposition import Exposition, Sources
from finetune_operator.metrics import Tally
from finetune_operator.occurrence import Measure, Occurrence
from finetune_operator.reconcile.queue import WorkQueue
from finetune_trainer.runtime.progress import ProgressBoard
from finetune_trainer.runtime.progress_server import metrics_text
from finetune_trainer.serving.api.metrics import ServingMetrics
from tests.unit.monitoring.promql import family, selectors
from tests.unit.operator.test_job_series import fullest

ROOT = Path(__file__).resolve().parents[3]
ALERTS = ROOT / "charts/finetune-operator/files/alerts.yaml"
OF_THE_TARGET = {"namespace", "pod", "container", "name", "run", "job", "instance", "service", "endpoint"}
"""Labels that Prometheus and the chart's monitors add."""
ENTRIES = {entry.name: entry for entry in catalogue()}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_name_tells_what_it_is_and_in_which_unit(entry: Entry):
    assert re.fullmatch(r"finetune_[a-z]+(_[a-z]+)*", entry.name)
    assert (entry.type == "counter") == entry.name.endswith("_total")
    assert not re.search(r"_(ms|milliseconds|minutes|hours|percent|mib|gib|count|sum|bucket)$", entry.name)
    assert entry.help.endswith(".")
    assert not {"job", "instance", "le", "quantile", "exported_name"} & set(entry.labels)


async def exposition(workspace: Path) -> str:
    """Return what operator, training pod and serving pod say, with all that they can say here."""
    tally = Tally(gpu_hour_price=1.0, currency="USD")
    tally.begin(["default"])
    tally.count("default", [Occurrence(measure, 1.0, label="Data") for measure in Measure])
    jobs = [fullest("job")]
    sources = Sources(lambda: jobs, WorkQueue(), lambda: {"": True}, lambda: {"theirs": "other/operator"})
    board = ProgressBoard("run")
    board.enter(Stage.TRAIN)
    board.step_done(1, 0.1, tokens_seen=10)
    board.add_metrics(train={"grad_norm": 0.7, "rewards_margins": 1.0}, evaluation={"accuracy": 0.9})
    server = ServingMetrics()
    server.requests.labels("/v1/classify", 200).inc()
    server.first_token.labels("/v1/completions").observe(0.1)
    server.model.labels("job", "run", "sha256:a").set(1)
    texts = (await Exposition(sources, tally).render(), metrics_text(board, workspace), server.render())
    return b"".join(texts).decode()


async def test_promtool_finds_nothing_to_mend_and_the_page_misses_nothing(tmp_path: Path):
    lines = [line for line in (await exposition(tmp_path)).splitlines() if "finetune_" in line]
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input="\n".join([*lines, ""]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    told = {family(re.split(r"[{ ]", line)[0]) for line in lines if not line.startswith("#")}
    assert told <= set(ENTRIES)
    assert len(told) > 40


def asked() -> dict[str, list[tuple[str, set[str]]]]:
    """Return the metrics that dashboards and alerts ask for, with the labels that they choose by."""
    found = {}
    for board in boards():
        values = {one["name"]: one.get("allValue") or "one" for one in board.variables}
        found[board.name] = [filled(target.expression, values, 21600, 120) for target in board.targets]
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        found[group["name"]] = [rule["expr"] for rule in group["rules"]]
    return {
        place: [(family(one.metric), set(one.labels)) for expression in expressions for one in selectors(expression)]
        for place, expressions in found.items()
    }


@pytest.mark.parametrize(("place", "selected"), asked().items(), ids=asked())
def test_dashboards_and_alerts_ask_for_what_is_there(place: str, selected: list[tuple[str, set[str]]]):
    own = [(name, labels) for name, labels in selected if name.startswith("finetune_")]
    assert own, place
    for name, labels in own:
        assert name in ENTRIES, name
        assert labels - OF_THE_TARGET <= set(ENTRIES[name].labels) | {"le"}, name
