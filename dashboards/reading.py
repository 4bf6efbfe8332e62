"""The dashboards' files as Grafana reads them: panels, queries, and queries with their variables filled in."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "charts/finetune-operator/files/dashboards"


@dataclass(frozen=True)
class Target:
    """A query of a panel. legend: what its series are called, with {{label}}; "" for all labels."""

    panel: str
    expression: str
    legend: str
    instant: bool


@dataclass(frozen=True)
class Board:
    """A dashboard's file."""

    name: str
    content: Mapping[str, Any]

    @property
    def panels(self) -> list[dict[str, Any]]:
        """Its panels without the headings of rows, in the order of the file."""
        return [panel for panel in self.content["panels"] if panel["type"] != "row"]

    @property
    def targets(self) -> Iterator[Target]:
        """All queries of all panels."""
        for panel in self.panels:
            yield from targets(panel)

    @property
    def variables(self) -> list[dict[str, Any]]:
        """Its variables, the data source among them."""
        return list(self.content["templating"]["list"])


def targets(panel: Mapping[str, Any]) -> list[Target]:
    """Return the queries of a panel."""
    title, asked = panel["title"], panel["targets"]
    return [
        Target(title, one["expr"], one["legendFormat"].replace("__auto", ""), one.get("instant", False))
        for one in asked
    ]


def boards() -> list[Board]:
    """Read all dashboards of the chart."""
    return [Board(file.stem, json.loads(file.read_text())) for file in sorted(FOLDER.glob("*.json"))]


def filled(expression: str, variables: Mapping[str, str], range_seconds: int, rate_seconds: int) -> str:
    """Return the expression as Grafana would send it. Raises KeyError for a variable without a value.

    variables: values by name; those that take several are regular expressions, such as .+ for all.
    range_seconds: time that the dashboard shows; rate_seconds: at least four scrapes.
    """
    values = {"__range": f"{range_seconds}s", "__rate_interval": f"{rate_seconds}s", **variables}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], expression)
