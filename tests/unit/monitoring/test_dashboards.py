"""The dashboards: the rules of Grafana's dashboard-linter, and PromQL that parses and asks for what is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.__main__ import BOARDS, main
from dashboards.page import RUNBOOKS
from dashboards.reading import Board, Target, boards, filled
from tests.unit.monitoring.promql import Selector, selectors

ROOT = Path(__file__).resolve().parents[3]
UNITS = {"short", "none", "percentunit", "s", "h", "bytes", "reqps", "ops", "rowsps", "sci", "bool_yes_no"}
COUNTERS = ("_total", "_bucket", "_sum", "_count")
WHOLE_CLUSTER = {"finetune_stage_duration_seconds_bucket": "has no namespace: a series for each would be too many"}
RATE_SECONDS, RANGE_SECONDS = 120, 21600
ALL_BOARDS = boards()
ids = [board.name for board in ALL_BOARDS]


def values(board: Board) -> dict[str, str]:
    """Give each variable a value: all that there are, where it takes several."""
    return {one["name"]: one.get("allValue") or "one" for one in board.variables}


def queries(board: Board) -> Iterator[tuple[Target, Selector]]:
    for target in board.targets:
        for selector in selectors(filled(target.expression, values(board), RANGE_SECONDS, RATE_SECONDS)):
            yield target, selector


def test_the_committed_dashboards_are_current(capsys: pytest.CaptureFixture[str]):
    assert main(["--check"]) == 0, capsys.readouterr().err
    assert ids == sorted(BOARDS)


def test_an_edited_dashboard_is_reported_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--output", str(tmp_path)]) == 0
    (tmp_path / "job.json").write_text("{}")
    assert main(["--output", str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'job.json'} is out of date; run: python -m dashboards\n"


@pytest.mark.parametrize("board", ALL_BOARDS, ids=ids)
def test_dashboards_say_what_they_are_and_lead_to_the_others(board: Board):
    content = board.content
    assert content["title"].startswith("Fine-tuning / ") and content["description"].endswith(".")
    assert content["uid"] == f"finetune-{board.name}" and content["tags"] == ["finetune-operator"]
    assert content["editable"] is False, "dashboards of a chart are edited there"
    others, runbooks = content["links"]
    assert others["tags"] == content["tags"] and others["keepTime"] and others["includeVars"]
    assert runbooks["url"] == RUNBOOKS and (ROOT / RUNBOOKS).is_file()


@pytest.mark.parametrize("board", ALL_BOARDS, ids=ids)
def test_panels_have_titles_descriptions_units_and_the_chosen_data_source(board: Board):
    titles = [panel["title"] for panel in board.panels]
    assert len(set(titles)) == len(titles)
    for panel in board.panels:
        assert panel["title"] and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        used = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in used), panel["title"]
    numbers = [panel["id"] for panel in board.content["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("board", ALL_BOARDS, ids=ids)
def test_panels_fill_the_grid_without_overlap(board: Board):
    taken: set[tuple[int, int]] = set()
    for panel in board.content["panels"]:
        place = panel["gridPos"]
        own = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24 and not own & taken, panel["title"]
        taken |= own
    assert len(taken) == 24 * (1 + max(y for _, y in taken)), "rows of panels that end early"


@pytest.mark.parametrize("board", ALL_BOARDS, ids=ids)
def test_variables_are_asked_of_the_chosen_data_source_and_all_are_used(board: Board):
    source, *others = board.variables
    assert (source["name"], source["label"], source["type"], source["query"]) == (
        "datasource",
        "Data source",
        "datasource",
        "prometheus",
    )
    everything = " ".join(target.expression for target in board.targets)
    for variable in others:
        assert variable["datasource"]["uid"] == "${datasource}" and variable["label"]
        assert variable.get("allValue") == (".+" if variable.get("multi") else None)
        assert f"${variable['name']}" in everything
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert asked and asked[2] == variable["name"]
        assert selectors(filled(asked[1], values(board), RANGE_SECONDS, RATE_SECONDS))


@pytest.mark.parametrize("board", ALL_BOARDS, ids=ids)
def test_counters_are_asked_for_their_increase_over_grafanas_own_intervals(board: Board):
    for target, selector in queries(board):
        is_counter = selector.metric.endswith(COUNTERS)
        assert is_counter == (selector.function in ("rate", "increase")), (target.panel, selector.metric)
        if is_counter:
            assert selector.range_seconds in (RATE_SECONDS, RANGE_SECONDS), target.panel


@pytest.mark.parametrize("board", ALL_BOARDS, ids=ids)
def test_every_query_asks_only_for_what_is_chosen(board: Board):
    chosen = {one["name"]: ("Re" if one.get("multi") else "Equal") for one in board.variables[1:]}
    for target, selector in queries(board):
        if selector.metric not in WHOLE_CLUSTER:
            operators = {name: selector.labels[name][0] for name in chosen if name in selector.labels}
            assert operators == chosen, (target.panel, selector.metric)


@pytest.mark.parametrize("board", ALL_BOARDS, ids=ids)
def test_legends_name_labels_that_the_query_keeps(board: Board):
    for target in board.targets:
        kept = {
            name
            for group in re.findall(r"(?:by|group_left) \(([^)]*)\)", target.expression)
            for name in group.split(", ")
        }
        assert set(re.findall(r"{{(\w+)}}", target.legend)) <= kept, (target.panel, target.legend)


@pytest.mark.parametrize("board", ALL_BOARDS, ids=ids)
def test_links_of_rows_lead_to_dashboards_with_the_variables_of_these(board: Board):
    variables = {one.content["uid"]: {variable["name"] for variable in one.variables} for one in ALL_BOARDS}
    links: list[dict[str, Any]] = [
        link for panel in board.panels for link in panel["fieldConfig"]["defaults"].get("links", [])
    ]
    assert bool(links) == (board.name in ("fleet", "serving"))
    for link in links:
        uid, asked = re.fullmatch(r"/d/([\w-]+)\?(.*)", link["url"]).groups()  # type: ignore[union-attr]
        assert set(re.findall(r"var-(\w+)=", asked)) <= variables[uid]
