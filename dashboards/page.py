"""What all dashboards share: data source, tags, links to each other and to the runbooks, variables."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.panels import DATASOURCE, Panel

TAG = "finetune-operator"
RUNBOOKS = "docs/runbooks.md"
"""Where the runbooks are. The chart puts the address of the repository before it."""


@dataclass(frozen=True)
class Variable:
    """A variable whose values are those of a label: all of them, or one at a time."""

    name: str
    title: str
    values: str
    """PromQL selector of the series that have the label."""
    many: bool = False

    def build(self) -> dashboard.QueryVariable:
        """Make it Grafana's."""
        asked: dict[str, object] = {"query": f"label_values({self.values}, {self.name})", "refId": self.name}
        variable = dashboard.QueryVariable(self.name).label(self.title).datasource(DATASOURCE).query(asked)
        variable = variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
        if self.many:
            chosen = VariableOption(selected=True, text="All", value="$__all")
            variable = variable.multi(True).include_all(True).all_value(".+").current(chosen)
        return variable


def page(
    name: str,
    title: str,
    description: str,
    variables: Iterable[Variable],
    rows: Mapping[str, Iterable[Panel]],
    *,
    since: str = "now-6h",
) -> dashboard.Dashboard:
    """Make a dashboard of panels in rows, called `finetune-<name>`."""
    board = dashboard.Dashboard(title).uid(f"finetune-{name}").description(description).tags([TAG]).readonly()
    board = board.time(since, "now").refresh("30s").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    board = board.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    for variable in variables:
        board = board.with_variable(variable.build())
    others = dashboard.DashboardLink("Fine-tuning").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    board = board.link(others.keep_time(True).include_vars(True).as_dropdown(True))
    board = board.link(
        dashboard.DashboardLink("Runbooks").type(DashboardLinkType.LINK).url(RUNBOOKS).target_blank(True)
    )
    numbers = itertools.count(1)
    for heading, panels in rows.items():
        board = board.with_row(dashboard.Row(heading).id(next(numbers)))
        for panel in panels:
            board = board.with_panel(panel.id(next(numbers)))
    return board


def link_to(
    dashboard_name: str, title: str, variables: Iterable[str] = ("namespace", "name")
) -> dashboard.DashboardLink:
    """Link a table's row to another dashboard, whose variables are called as the row's columns."""
    chosen = "".join(f"&var-{variable}=${{__data.fields.{variable}}}" for variable in variables)
    url = f"/d/finetune-{dashboard_name}?${{datasource:queryparam}}{chosen}&${{__url_time_range}}"
    return dashboard.DashboardLink(title).type(DashboardLinkType.LINK).url(url)


def newest(metric: str, selector: str, *labels: str) -> str:
    """PromQL of a figure of which each replica of the operator may tell: one value for each set of labels."""
    return f"max by ({', '.join(labels)}) ({metric}{{{selector}}})"
