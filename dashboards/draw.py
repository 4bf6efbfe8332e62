"""A picture of a dashboard, drawn from what its queries answered: for the documentation, without Grafana."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dashboards.reading import Board, Target, targets

Answers = Mapping[Target, Sequence[Mapping[str, Any]]]
"""What Prometheus answered to each query: samples with `value`, or series with `values`."""
COLUMNS, INCHES_WIDE, INCHES_A_ROW, MARGIN = 24, 15.0, 0.27, 0.45
GROUND, PANEL, TEXT, DIM = "#111217", "#181b1f", "#d8d9da", "#8e8e8e"
COLOURS = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#b877d9", "#f2495c", "#8ab8ff", "#fade2a")
MAX_ROWS = 7
LONGEST = 34
FEW = 30
DAY_SECONDS = 86400


def draw(board: Board, answers: Answers, file: Path) -> None:
    """Draw a dashboard and write it as PNG."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board.content["panels"])
    figure = Figure(figsize=(INCHES_WIDE, rows * INCHES_A_ROW + 0.6), facecolor=GROUND, dpi=72)
    height = figure.get_figheight()
    figure.text(0.01, 1 - 0.35 / height, board.content["title"], color=TEXT, fontsize=15)
    for panel in board.content["panels"]:
        place = panel["gridPos"]
        top = 1 - (0.6 + place["y"] * INCHES_A_ROW) / height
        if panel["type"] == "row":
            figure.text(0.01, top - 0.2 / height, f"⌄ {panel['title']}", color=TEXT, fontsize=10)
            continue
        left, wide, high = place["x"] / COLUMNS, place["w"] / COLUMNS, place["h"] * INCHES_A_ROW / height
        outer = (left + 0.003, top - high + 0.05 / height, wide - 0.006, high - 0.1 / height)
        figure.add_axes(outer, facecolor=PANEL).set(xticks=[], yticks=[])
        figure.text(left + 0.008, top - 0.24 / height, panel["title"], color=TEXT, fontsize=8.5)
        indent = 0.035 if panel["type"] == "timeseries" else 0.008
        inner = (left + indent, top - high + 0.32 / height, wide - indent - 0.01, high - 0.72 / height)
        _draw_panel(figure.add_axes(inner, facecolor=PANEL), panel, answers)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, facecolor=GROUND, pil_kwargs={"optimize": True})


def _draw_panel(axes: Axes, panel: Mapping[str, Any], answers: Answers) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=DIM, labelsize=6.5, length=0)
    unit = panel["fieldConfig"]["defaults"]["unit"]
    answered = [(target, answers.get(target, ())) for target in targets(panel)]
    if not any(series for _, series in answered):
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "No data", color=DIM, ha="center", va="center", transform=axes.transAxes, fontsize=9)
    elif panel["type"] == "table":
        _table(axes, panel, answered)
    else:
        named = [(_name(target.legend, one["metric"]), one) for target, series in answered for one in series]
        kinds = {"timeseries": _lines, "stat": _figure, "bargauge": _bars, "state-timeline": _timeline}
        kinds[panel["type"]](axes, named, unit if panel.get("options", {}).get("textMode") != "name" else "name")


def _name(legend: str, labels: Mapping[str, str]) -> str:
    if not legend:
        return " ".join(value for name, value in sorted(labels.items()) if name != "__name__")
    name = re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), legend)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _said(value: float, unit: str) -> str:
    """Return a value as its unit is written."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "bool_yes_no":
        return "Yes" if value else "No"
    if unit == "sci":
        return f"{value:.1e}"
    if unit == "bytes":
        power = min(3, int(math.log2(max(abs(value), 1)) // 10))
        return f"{value / 1024**power:.3g} {('B', 'KiB', 'MiB', 'GiB')[power]}"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    suffix = {"s": " s", "h": " h", "reqps": " req/s", "ops": " ops/s", "rowsps": " rows/s"}.get(unit, "")
    return f"{value:.3g}{suffix}" if abs(value) < 1e3 else f"{value:,.0f}{suffix}"


def _lines(axes: Axes, named: list[tuple[str, Any]], unit: str) -> None:
    for position, (name, series) in enumerate(named):
        times = [datetime.fromtimestamp(moment, UTC) for moment, _ in series["values"]]
        values = [float(value) for _, value in series["values"]]
        dots: dict[str, Any] = {"marker": ".", "markersize": 3} if len(values) < FEW else {}
        axes.plot(times, values, color=COLOURS[position % len(COLOURS)], linewidth=1.3, label=name, **dots)  # type: ignore[arg-type]
        axes.fill_between(times, values, color=COLOURS[position % len(COLOURS)], alpha=0.07)  # type: ignore[arg-type]
    axes.grid(color="#2c3235", linewidth=0.5)
    _clock(axes)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _said(value, unit)))
    if len(named) <= MAX_ROWS:
        axes.legend(fontsize=6, labelcolor=TEXT, facecolor=PANEL, edgecolor=PANEL, loc="upper left", framealpha=0.6)


def _clock(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda days, _: f"{datetime.fromtimestamp(days * DAY_SECONDS, UTC):%H:%M:%S}")
    )
    axes.xaxis.set_major_locator(MaxNLocator(4))


def _figure(axes: Axes, named: list[tuple[str, Any]], unit: str) -> None:
    axes.set(xticks=[], yticks=[])
    shown = [name if unit == "name" else _said(float(one["value"][1]), unit) for name, one in named]
    names = ["" if unit == "name" or len(named) == 1 else name for name, _ in named]
    for position, (text, name) in enumerate(zip(shown, names, strict=True)):
        place = (position + 0.5) / len(shown)
        size = 8 if unit == "name" else 15 if len(shown) == 1 else 11
        axes.text(place, 0.5, text, color=COLOURS[0], ha="center", va="center", transform=axes.transAxes, fontsize=size)
        axes.text(place, -0.1, name, color=DIM, ha="center", va="center", transform=axes.transAxes, fontsize=5.5)


def _bars(axes: Axes, named: list[tuple[str, Any]], unit: str) -> None:
    named = [(name, one) for name, one in named if one["value"][1] != "NaN"][:12]
    values = [float(one["value"][1]) for _, one in named]
    axes.barh(range(len(named)), values, color=COLOURS[0], height=0.6)
    axes.set(yticks=[], xticks=[], xlim=(0, max([*values, 1e-9]) * 1.4))
    axes.set_ylim(max(len(named), 4) - 0.5, -0.5)
    for position, (name, value) in enumerate(zip((name for name, _ in named), values, strict=True)):
        axes.text(0, position, f" {name}  {_said(value, unit)}", color=TEXT, va="center", fontsize=7)


def _timeline(axes: Axes, named: list[tuple[str, Any]], _: str) -> None:
    for position, (name, series) in enumerate(named):
        times = [datetime.fromtimestamp(moment, UTC) for moment, _ in series["values"]]
        axes.plot(times, [position] * len(times), "s", color=COLOURS[position % len(COLOURS)], markersize=5)  # type: ignore[arg-type]
        axes.text(
            0.01, position + 0.42, name, color=TEXT, fontsize=6.5, va="center", transform=axes.get_yaxis_transform()
        )
    axes.set(yticks=[], ylim=(-0.6, len(named) - 0.2))
    _clock(axes)


def _table(axes: Axes, panel: Mapping[str, Any], answered: list[tuple[Target, Any]]) -> None:
    axes.set(xticks=[], yticks=[])
    organized = panel["transformations"][-1]["options"]["renameByName"]
    titles = list(organized.values())
    units = {one["matcher"]["options"]: one["properties"][0]["value"] for one in panel["fieldConfig"]["overrides"]}
    lines: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for title, (_, samples) in zip(titles, answered, strict=True):
        for sample in samples:
            labels = {name: value for name, value in sample["metric"].items() if name != "__name__"}
            line = lines.setdefault(tuple(sorted(labels.items())), {name: value[:24] for name, value in labels.items()})
            line[title] = _said(float(sample["value"][1]), units[title])
    columns = list(dict.fromkeys(name for line in lines.values() for name in line))
    columns = [name for name in columns if name not in titles] + [title for title in titles if title in columns]
    cells = [[line.get(name, "") for name in columns] for line in list(lines.values())[:MAX_ROWS]]
    table = axes.table(cells, colLabels=columns, loc="upper left", cellLoc="left", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    for cell in table.get_celld().values():
        cell.set(edgecolor="#2c3235")
        cell.get_text().set_color(TEXT)
