"""A chart's README and schema say what its values say, and a difference is told by name."""

import json
from pathlib import Path

import pytest

from crdgen.chart import BEGIN, END, ChartMismatch, chart_files

VALUES = """\
# About this file.

## First
# How many
# there are.
size: 3
group:
  # Labels.
  labels: {app: "1"}

## Second
# What it does.
mode: fast
"""
SCHEMA = {
    "properties": {
        "global": {"type": "object"},
        "size": {"type": "integer"},
        "group": {"properties": {"labels": {"type": "object"}}},
        "mode": {"enum": ["fast", "slow"]},
    }
}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "values.yaml").write_text(VALUES)
    (tmp_path / "values.schema.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "README.md").write_text(f"# Chart\n{BEGIN}old\n{END}More.\n")
    return tmp_path


def test_the_readme_has_a_table_for_each_heading(chart: Path) -> None:
    text = chart_files(chart)[chart / "README.md"]
    assert text.startswith(f"# Chart\n{BEGIN}\n### First\n")
    assert text.endswith(f"{END}More.\n")
    assert "| `size` | integer | `3` | How many there are. |\n" in text
    assert '| `group.labels` | object | `{app: "1"}` | Labels. |\n\n### Second\n' in text
    assert "| `mode` | `fast`, `slow` | `fast` | What it does. |\n" in text
    assert "old" not in text


def test_the_schema_takes_over_descriptions_and_defaults(chart: Path) -> None:
    schema = json.loads(chart_files(chart)[chart / "values.schema.json"])
    assert schema["properties"]["size"] == {"type": "integer", "description": "How many there are.", "default": 3}


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("size: 3", "sise: 3", "values.schema.json lacks sise, which the other of the two has"),
        ("  labels: {", "  label: {", "values.schema.json lacks group.label, which"),
        ("# What it does.\n", "", "mode has no comment above it that says what it is"),
    ],
)
def test_what_does_not_fit_is_named(chart: Path, before: str, after: str, complaint: str) -> None:
    (chart / "values.yaml").write_text(VALUES.replace(before, after))
    with pytest.raises(ChartMismatch, match=complaint):
        chart_files(chart)


def test_a_readme_without_a_place_for_values_is_named(chart: Path) -> None:
    (chart / "README.md").write_text("# Chart\n")
    with pytest.raises(ChartMismatch, match=r"README[.]md lacks the line"):
        chart_files(chart)
