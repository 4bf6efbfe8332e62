"""`charts/finetune-jobs/files/merged.json`: what the chart checks of a spec once defaults and job are merged.

A tree in the shape of the spec. `required` names the fields that must be there; each of `only` a field that goes with
some values of another, each of `with` a field that must be there with some value of another, and each of `apart` two
fields that exclude each other.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from crdgen.structural import Schema, structural_schema
from finetune_api.spec.job import FineTuneJobSpec

_ONLY = re.compile(
    r"^self\.(?P<by>\w+) (?:== '(?P<one>\w+)'|in \[(?P<many>[^\]]+)\]) \|\| !has\(self\.(?P<field>\w+)\)$"
)
_WITH = re.compile(r"^self\.(?P<by>\w+) != '(?P<one>\w+)' \|\| has\(self\.(?P<field>\w+)\)$")
_APART = re.compile(
    r"^(?:!has\(self\.(?P<one>\w+)\) \|\| !has\(self\.(?P<other>\w+)\)"
    r"|!\(has\(self\.(?P<first>\w+)\) && has\(self\.(?P<second>\w+)\)\))$"
)


def merged_checks() -> str:
    """Return the text of the tree of checks."""
    return json.dumps(_checks(structural_schema(FineTuneJobSpec)), indent=1) + "\n"


def _checks(node: Schema) -> Schema:
    members = {name: checks for name, child in node.get("properties", {}).items() if (checks := _checks(child))}
    found = {
        "required": node.get("required"),
        "only": _rules(node, _ONLY),
        "with": _rules(node, _WITH),
        "apart": _apart(node),
        "properties": members,
        "items": _checks(node["items"]) if "items" in node else None,
    }
    return {key: value for key, value in found.items() if value}


def _matches(node: Schema, shape: re.Pattern[str]) -> Iterator[tuple[dict[str, str], re.Match[str]]]:
    rules = ((rule, shape.match(rule["rule"])) for rule in node.get("x-kubernetes-validations", []))
    return ((rule, match) for rule, match in rules if match)


def _apart(node: Schema) -> list[dict[str, Any]]:
    return [
        {
            "fields": [name for name in match.groups() if name],
            "at": rule.get("fieldPath", ""),
            "message": rule["message"],
        }
        for rule, match in _matches(node, _APART)
    ]


def _rules(node: Schema, shape: re.Pattern[str]) -> list[dict[str, Any]]:
    return [_rule(node, rule, match) for rule, match in _matches(node, shape)]


def _rule(node: Schema, rule: dict[str, str], match: re.Match[str]) -> dict[str, Any]:
    said = match.groupdict()
    values = re.findall(r"'(\w+)'", said["many"]) if said.get("many") else [said["one"]]
    default = node["properties"][said["by"]].get("default")
    return {"field": said["field"], "by": said["by"], "default": default, "values": values, **_words(rule)}


def _words(rule: dict[str, str]) -> dict[str, str]:
    return {"at": rule.get("fieldPath", ""), "message": rule["message"]}
