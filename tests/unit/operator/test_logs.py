"""The log: words for people with fields for machines, written in one way."""

import ast
import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

import finetune_operator
from finetune_operator.logs import PLAIN, JsonFormatter, PlainFormatter, about, fields, learn

SOURCES = sorted(Path(finetune_operator.__file__).parent.rglob("*.py"))


def record(**values: Any) -> logging.LogRecord:
    found = logging.LogRecord("finetune_operator.x", logging.INFO, __file__, 1, "status", None, None)
    found.__dict__ |= fields(**values)
    return found


def test_every_field_of_a_json_line_is_a_field() -> None:
    told = json.loads(JsonFormatter().format(record(child="Job/b", why=ValueError("no, = or \n"), count=3, new=True)))
    assert told.pop("time")
    assert told == {
        "level": "info",
        "logger": "finetune_operator.x",
        "message": "status",
        "child": "Job/b",
        "why": "no, = or \n",
        "count": 3,
        "new": True,
    }


def test_fields_of_any_name_hide_nothing() -> None:
    told = json.loads(JsonFormatter().format(record(message="mine", name="job", args=None)))
    assert (told["message"], told["name"], told["args"]) == ("status", "job", None)


def test_plain_lines_show_the_fields_after_the_words() -> None:
    assert (
        PlainFormatter(PLAIN)
        .format(record(child="Job/b", phase="Ready", trace_id="c5dc"))
        .endswith("INFO    status child=Job/b phase=Ready")
    )


async def test_lines_about_a_job_name_it_in_its_own_task_and_those_that_it_begins() -> None:
    def told() -> dict[str, Any]:
        known = json.loads(JsonFormatter().format(record(phase="Ready")))
        return {name: known[name] for name in ("namespace", "name", "run", "attempt") if name in known}

    async def later() -> dict[str, Any]:
        return told()

    with about(namespace="team", name="job", run=None):
        assert told() == {"namespace": "team", "name": "job"}
        learn(run="8c1f", attempt=0)
        assert await asyncio.create_task(later()) == told()
        assert told() == {"namespace": "team", "name": "job", "run": "8c1f", "attempt": 0}
        assert PlainFormatter(PLAIN).format(record()).endswith("status namespace=team name=job run=8c1f attempt=0")
    assert told() == {}


@pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])
def test_no_figure_is_hidden_in_the_words(source: Path) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "logger"
    ]
    for call in calls:
        words = call.args[-1]
        assert isinstance(words, ast.Constant), ast.unparse(call)
        assert "%" not in str(words.value), ast.unparse(call)
