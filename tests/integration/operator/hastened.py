"""The chart's alerts in a hurry: what waits minutes and hours waits seconds."""

import re
from pathlib import Path
from typing import Any

import yaml

ALERTS = Path(__file__).resolve().parents[3] / "charts/finetune-operator/files/alerts.yaml"
HASTE = 600
LEAST_RANGE_SECONDS = 5
"""Room for a few scrapes."""
LEAST_WAIT_SECONDS = 3
"""Longer than what is no fault may take on a busy machine."""
LONG_SECONDS = 300
SHORT_HASTE = 60
"""Of thresholds that are not minutes but seconds: a request takes some of one on a busy machine."""
SECONDS = {"s": 1, "m": 60, "h": 3600}


def alert_names() -> list[str]:
    """Return the names of all alerts of the chart."""
    return [rule["alert"] for group in _rules()["groups"] for rule in group["rules"]]


def hastened(folder: Path) -> Path:
    """Write the rules with every duration shortened: `for`, ranges, and thresholds that are times."""
    rules = _rules()
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        if "for" in rule:
            rule["for"] = f"{_seconds(rule['for']) / HASTE * 1000:.0f}ms"
        rule["expr"] = re.sub(r"\[(\w+)\]", _range, rule["expr"])
        rule["expr"] = re.sub(r"> (\d{2,})\b", _threshold, rule["expr"])
    (folder / "alerts.yaml").write_text(yaml.safe_dump(rules))
    return folder / "alerts.yaml"


def _rules() -> dict[str, Any]:
    rules: dict[str, Any] = yaml.safe_load(ALERTS.read_text())
    return rules


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * SECONDS[duration[-1]]


def _range(found: re.Match[str]) -> str:
    return f"[{max(_seconds(found[1]) / HASTE, LEAST_RANGE_SECONDS):.0f}s]"


def _threshold(found: re.Match[str]) -> str:
    seconds = int(found[1])
    return f"> {max(seconds / HASTE, LEAST_WAIT_SECONDS) if seconds >= LONG_SECONDS else seconds / SHORT_HASTE}"
