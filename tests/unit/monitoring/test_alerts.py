"""The alerts: promtool's unit tests, and that each has one, a runbook, and texts whose labels are there."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.prometheus import program
from tests.unit.monitoring.promql import selectors

ROOT = Path(__file__).resolve().parents[3]
ALERTS = ROOT / "charts/finetune-operator/files/alerts.yaml"
RUNBOOKS = ROOT / "docs/runbooks.md"
MONITORING = ROOT / "docs/monitoring.md"
TESTS = sorted((Path(__file__).parent / "alerts").glob("*.yaml"))
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
names = [rule["alert"] for rule in RULES]
COUNTERS = ("_total", "_bucket", "_sum", "_count")


def promtool(*arguments: object) -> None:
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def expectations() -> dict[str, set[bool]]:
    """For each alert, whether a test expects it to fire, to be quiet, or both."""
    found: dict[str, set[bool]] = {}
    for file in TESTS:
        for group in yaml.safe_load(file.read_text())["tests"]:
            expected = {bool(one["exp_samples"]) for one in group["promql_expr_test"]}
            found.setdefault(group["name"], set()).update(expected)
    return found


def test_prometheus_takes_the_rules():
    promtool("check", "rules", ALERTS)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_only_then(file: Path):
    promtool("test", "rules", file)


def test_every_alert_is_tested_for_both():
    assert len(set(names)) == len(names)
    assert expectations() == {name: {True, False} for name in names}


@pytest.mark.parametrize("rule", RULES, ids=names)
def test_every_alert_says_what_is_wrong_how_bad_it_is_and_where_the_runbook_is(rule: dict[str, Any]):
    assert rule["labels"]["severity"] in ("critical", "warning")
    annotations = rule["annotations"]
    assert annotations["summary"].endswith(".") and annotations["description"].endswith(".")
    page, anchor = annotations["runbook_url"].split("#")
    section = RUNBOOKS.read_text().split(f"### {rule['alert']}\n")[1].split("\n#")[0]
    assert ROOT / page == RUNBOOKS and anchor == rule["alert"].lower()
    assert re.fullmatch(r"\*\*Means\*\* .+\*\*Look\*\* .+\*\*Do\*\* .+", section, re.DOTALL)


def test_every_runbook_is_of_an_alert_and_the_page_on_monitoring_lists_all():
    assert sorted(re.findall(r"^### (\w+)", RUNBOOKS.read_text(), re.MULTILINE)) == sorted(names)
    listed = re.findall(r"^\| \[(\w+)\]\(runbooks.md#(\w+)\) \| (\w+) ", MONITORING.read_text(), re.MULTILINE)
    assert listed == [(rule["alert"], rule["alert"].lower(), rule["labels"]["severity"]) for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=names)
def test_texts_name_labels_that_the_expression_keeps(rule: dict[str, Any]):
    groups = re.findall(r"(?:by|group_left) \(([^)]*)\)", rule["expr"])
    kept = {name for group in groups for name in group.split(", ")}
    for text in rule["annotations"].values():
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= kept


@pytest.mark.parametrize("rule", RULES, ids=names)
def test_expressions_ask_counters_for_their_rate(rule: dict[str, Any]):
    for selector in selectors(rule["expr"]):
        assert selector.metric.endswith(COUNTERS) == (selector.function in ("rate", "increase")), selector.metric
