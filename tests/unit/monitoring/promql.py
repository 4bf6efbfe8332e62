"""What PromQL expressions ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser

CHILDREN = ("expr", "lhs", "rhs", "vector_selector")


@dataclass(frozen=True)
class Selector:
    """A metric that is asked for. function: what it is an argument of, "" for none; range_seconds: of a range, or 0."""

    metric: str
    labels: dict[str, tuple[str, str]]
    function: str
    range_seconds: float


def selectors(expression: str) -> list[Selector]:
    """Return what an expression selects. Raises ValueError when it is no PromQL."""
    return list(_walk(promql_parser.parse(expression), "", 0.0))


def _walk(node: Any, function: str, seconds: float) -> Iterator[Selector]:
    if isinstance(node, promql_parser.VectorSelector):
        labels = {one.name: (str(one.op).removeprefix("MatchOp."), one.value) for one in node.matchers.matchers}
        yield Selector(node.name, labels, function, seconds)
        return
    if isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from _walk(argument, node.func.name, seconds)
        return
    seconds = node.range.total_seconds() if isinstance(node, promql_parser.MatrixSelector) else seconds
    for child in (getattr(node, name, None) for name in CHILDREN):
        if child is not None:
            yield from _walk(child, function, seconds)


def family(metric: str) -> str:
    """Return the name by which a library registers a metric: without what its samples add."""
    for ending in ("_bucket", "_sum", "_count"):
        metric = metric.removesuffix(ending)
    return metric
