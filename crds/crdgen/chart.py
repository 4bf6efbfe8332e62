"""A chart's README and values schema, as far as they repeat what its `values.yaml` says.

`values.yaml` holds the values, each with its description as a comment above it, under headings that begin with `##`.
`values.schema.json` holds types and bounds, written by hand; descriptions and defaults are copied into it. The table
of values in `README.md` stands between two markers.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from crdgen.structural import Schema
from crdgen.tables import table

BEGIN = "<!-- Values, generated from values.yaml and values.schema.json by `python -m crdgen`. Do not edit. -->\n"
END = "<!-- End of the values. -->\n"
HEADING = "## "
HELMS_OWN = {"global"}
"""Values that Helm knows and no chart needs to set."""


class ChartMismatch(ValueError):
    """values.yaml, values.schema.json and README.md do not fit together; the message names the value."""


@dataclass(frozen=True)
class Value:
    """One value of a chart: its path, the heading that it stands under, what it is, and its schema."""

    path: str
    heading: str
    description: str
    default: Any
    schema: Schema


def chart_files(folder: Path) -> dict[Path, str]:
    """Return the generated files of a chart with their text. Raises ChartMismatch."""
    schema = json.loads((folder / "values.schema.json").read_text())
    values = list(_values((folder / "values.yaml").read_text(), schema))
    for value in values:
        value.schema.update(description=value.description, default=value.default)
    readme = (folder / "README.md").read_text()
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ChartMismatch(f"{folder / 'README.md'} lacks the line {END if begin else BEGIN}")
    return {
        folder / "values.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        folder / "README.md": f"{before}{begin}\n{_tables(values)}\n{end}{after}",
    }


def _values(text: str, schema: Schema) -> Iterator[Value]:
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise ChartMismatch("values.yaml is no mapping")
    yield from _members(root, schema, "", text.splitlines())


def _members(node: yaml.MappingNode, schema: Schema, prefix: str, lines: list[str]) -> Iterator[Value]:
    known = schema.get("properties", {})
    names = [key.value for key, _ in node.value]
    ours = known.keys() - (set() if prefix else HELMS_OWN)
    if unequal := sorted(set(names) ^ ours):
        where = "values.schema.json" if unequal[0] in names else "values.yaml"
        raise ChartMismatch(f"{where} lacks {prefix}{unequal[0]}, which the other of the two has")
    for key, child in node.value:
        path, line = f"{prefix}{key.value}", key.start_mark.line
        if description := _comment(lines, line):
            default = yaml.safe_load(yaml.serialize(child))
            yield Value(path, _heading(lines, line), description, default, known[key.value])
        elif isinstance(child, yaml.MappingNode) and child.value:
            yield from _members(child, known[key.value], f"{path}.", lines)
        else:
            raise ChartMismatch(f"values.yaml: {path} has no comment above it that says what it is")


def _comment(lines: list[str], line: int) -> str:
    """Return the comment right above a line, as one line of text."""
    first = line
    while first and lines[first - 1].lstrip().startswith("#") and not lines[first - 1].startswith(HEADING):
        first -= 1
    return " ".join(text.lstrip().lstrip("#").strip() for text in lines[first:line])


def _heading(lines: list[str], line: int) -> str:
    headings = [text.removeprefix(HEADING) for text in lines[:line] if text.startswith(HEADING)]
    return headings[-1] if headings else "Values"


def _tables(values: list[Value]) -> str:
    parts = []
    for heading in dict.fromkeys(value.heading for value in values):
        rows = [
            (f"`{value.path}`", _type(value.schema), f"`{_scalar(value.default)}`", value.description)
            for value in values
            if value.heading == heading
        ]
        parts.append(f"### {heading}\n\n{table(('Value', 'Type', 'Default', 'Description'), rows)}")
    return "\n".join(parts)


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(f"`{_scalar(choice)}`" for choice in schema["enum"])
    kinds = schema.get("type", "object")
    kind = " or ".join(kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null")
    if "items" in schema and isinstance(schema["items"].get("type"), str):
        return f"array of {schema['items']['type']}s"
    return kind


def _scalar(value: Any) -> str:
    """Return a value as YAML writes it in one line."""
    return re.sub(r'"([A-Za-z]\w*)"(: )?', r"\1\2", json.dumps(value))
