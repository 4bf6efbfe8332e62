"""Panels as these dashboards draw them: each has a title, a description, a unit, and queries of one data source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import BigValueTextMode, GraphGradientMode, StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = 8
FULL_WIDTH = 24

Thresholds = Mapping[float, str]
"""Colours by the value from which on they hold; below the least of them, it is green (or the first of `None`)."""
Panel = timeseries.Panel | stat.Panel | bargauge.Panel | table.Panel | statetimeline.Panel


@dataclass(frozen=True)
class Query:
    """PromQL, and what its series are called: with {{label}} for the value of a label."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Column:
    """A query whose value is a column of a table, with the column's title and unit."""

    expression: str
    title: str
    unit: str = "short"


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    stacked: bool = False,
    thresholds: Thresholds | None = None,
) -> timeseries.Panel:
    """Draw figures over time."""
    legend = common.VizLegendOptions().show_legend(True).display_mode("list").placement("bottom")  # type: ignore[arg-type]
    panel = timeseries.Panel().legend(legend).line_width(1).fill_opacity(30 if stacked else 8).show_points("auto")  # type: ignore[arg-type]
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    panel = panel.gradient_mode(GraphGradientMode.NONE)
    return _finish(panel, (title, description, unit), queries, (width, HEIGHT), thresholds, instant=False)  # type: ignore[return-value]


def figure(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 4,
    thresholds: Thresholds | None = None,
    names: bool = False,
) -> stat.Panel:
    """Show the newest value in large letters; with `names` the series' names in its place."""
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"])
    mode = BigValueTextMode.NAME if names else BigValueTextMode.AUTO
    panel = stat.Panel().reduce_options(reduced).text_mode(mode)
    return _finish(panel, (title, description, unit), queries, (width, HEIGHT // 2), thresholds, instant=True)  # type: ignore[return-value]


def bars(title: str, description: str, unit: str, *queries: Query, width: int = 8) -> bargauge.Panel:
    """Compare the newest values of several series."""
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"])
    panel = bargauge.Panel().reduce_options(reduced).orientation("horizontal").min(0)  # type: ignore[arg-type]
    return _finish(panel, (title, description, unit), queries, (width, HEIGHT), instant=True)  # type: ignore[return-value]


def timeline(title: str, description: str, *queries: Query, width: int = FULL_WIDTH) -> statetimeline.Panel:
    """Show when which series was there."""
    legend = common.VizLegendOptions().show_legend(False).display_mode("list").placement("bottom")  # type: ignore[arg-type]
    panel = statetimeline.Panel().legend(legend).show_value("never").merge_values(True)  # type: ignore[arg-type]
    return _finish(panel, (title, description, "none"), queries, (width, HEIGHT), instant=False)  # type: ignore[return-value]


def rows(
    title: str,
    description: str,
    *columns: Column,
    width: int = FULL_WIDTH,
    height: int = HEIGHT,
    hidden: Sequence[str] = (),
    link: dashboard.DashboardLink | None = None,
) -> table.Panel:
    """Show a table: a row for each set of labels, a column for each query. hidden: labels that are left out."""
    panel = table.Panel().filterable(True)
    for column in columns:
        properties = [DynamicConfigValue(id_val="unit", value=column.unit)]
        panel = panel.override_by_name(column.title, properties)
    names = {_value(position, columns): column.title for position, column in enumerate(columns)}
    left_out = dict.fromkeys(("Time", *hidden), True)
    panel = panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    options: dict[str, object] = {"renameByName": names, "excludeByName": left_out}
    panel = panel.with_transformation(DataTransformerConfig(id_val="organize", options=options))
    if link:
        panel = panel.data_links([link])
    queries = [Query(column.expression) for column in columns]
    return _finish(panel, (title, description, "short"), queries, (width, height), instant=True)  # type: ignore[return-value]


def _value(position: int, columns: Sequence[Column]) -> str:
    """Name the column as Grafana does before it is renamed."""
    return f"Value #{_reference(position)}" if len(columns) > 1 else "Value"


def _reference(position: int) -> str:
    return chr(ord("A") + position)


def _finish(
    panel: Panel,
    texts: Sequence[str],
    queries: Sequence[Query],
    size: tuple[int, int],
    thresholds: Thresholds | None = None,
    *,
    instant: bool,
) -> Panel:
    """Give a panel what all have. texts: title, description, unit; size: width and height."""
    steps = [Threshold(value=None, color="green")]
    steps += [Threshold(value=value, color=colour) for value, colour in sorted((thresholds or {}).items())]
    limits = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    title, description, unit = texts
    panel = panel.title(title).description(description).unit(unit).datasource(DATASOURCE).thresholds(limits)
    panel = panel.span(size[0]).height(size[1])
    for position, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expression).ref_id(_reference(position)).datasource(DATASOURCE)
        target = target.instant() if instant else target.range()
        target = target.legend_format(query.legend or "__auto")
        if isinstance(panel, table.Panel):
            target = target.format(PromQueryFormat.TABLE)
        panel = panel.with_target(target)
    return panel
