"""`charts/finetune-jobs/values.schema.json`: what the chart's values may hold, for Helm and for editors.

Defaults and a job's own values are merged before they are a spec, so either may lack a required field, and null takes a
default back. Lists are not merged: their items are as they will be in the spec.
"""

import json
import re
from typing import Any

from crdgen.structural import Schema
from finetune_api import KIND
from finetune_api.schema import DNS_SUBDOMAIN
from finetune_api.spec.job import FineTuneJobSpec

DRAFT = "http://json-schema.org/draft-07/schema#"
"""What every release of Helm 3 and every editor knows."""
KEPT = (
    *("type", "enum", "pattern", "required", "additionalProperties"),
    *(f"{low_or_high}{what}" for what in ("Length", "Items") for low_or_high in ("min", "max")),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minProperties", "maxProperties"),
)
_MATCHES = re.compile(
    r"^(?:!has\(self\.(?P<optional>\w+)\) \|\| )?self\.(?P<field>\w+)\.matches\('(?P<pattern>[^'\\]+)'\)$"
)
_LABELS = {"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}}


def values_schema() -> str:
    """Return the text of the schema of the chart's values."""
    return json.dumps(_Values().schema(), indent=2) + "\n"


class _Values:
    """Collects the definition of each block that is referred to."""

    def __init__(self) -> None:
        self._source = FineTuneJobSpec.model_json_schema(by_alias=True)
        self._models: dict[str, Schema] = self._source["$defs"] | {"FineTuneJobSpec": self._source}
        self._definitions: dict[str, Schema] = {}

    def schema(self) -> Schema:
        job = {
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {
                "labels": {"description": f"Labels of the {KIND}.", **_LABELS},
                "annotations": {"description": f"Annotations of the {KIND}.", **_LABELS},
                "spec": {"$ref": self._refer("FineTuneJobSpec", whole=False)},
            },
        }
        reference = {"$ref": "#/definitions/FineTuneJob"}
        return {
            "$schema": DRAFT,
            "$comment": "Generated from crds/finetune_api by `python -m crdgen`. Do not edit.",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "global": {"type": "object"},
                "defaults": {"description": "Merged into each job; what a job says itself wins.", **reference},
                "jobs": {
                    "description": f"The {KIND}s of the release by name; null leaves one out.",
                    "type": "object",
                    "propertyNames": {"pattern": DNS_SUBDOMAIN, "maxLength": 253},
                    "additionalProperties": reference,
                },
            },
            "definitions": {"FineTuneJob": job} | dict(sorted(self._definitions.items())),
        }

    def _refer(self, model: str, whole: bool) -> str:
        name = f"{model}InList" if whole else model
        if name not in self._definitions:
            self._definitions[name] = {}  # Holds the place while its members are converted.
            self._definitions[name] = self._block(self._models[model], whole)
        return f"#/definitions/{name}"

    def _block(self, model: Schema, whole: bool) -> Schema:
        patterns = _patterns(model)
        members = {name: self._node(node, whole) for name, node in model["properties"].items()}
        for name, found in patterns.items():
            members[name] |= {"allOf": [{"pattern": pattern} for pattern in found]}
        return self._constraints(model, whole) | {"properties": members}

    def _node(self, node: Schema, whole: bool) -> Schema:
        node = _without_null(node)
        said = {key: node[key] for key in ("description", "default") if node.get(key) is not None}
        if isinstance(said.get("default"), dict):
            del said["default"]
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            if "properties" in self._models[name]:
                return said | {"$ref": self._refer(name, whole)}
            node = self._models[name] | {key: value for key, value in node.items() if key != "$ref"}
        return said | self._constraints(node, whole)

    def _constraints(self, node: Schema, whole: bool) -> Schema:
        result = {key: node[key] for key in KEPT if key in node}
        if "anyOf" in node:  # An amount: a number or text.
            result |= {"type": [choice["type"] for choice in node["anyOf"]], "maxLength": node["maxLength"]}
        if isinstance(node.get("additionalProperties"), dict):
            result["additionalProperties"] = self._node(node["additionalProperties"], whole)
        if "items" in node:
            result["items"] = self._node(node["items"], whole=True)
        if node.get("x-kubernetes-list-type") == "set":
            result["uniqueItems"] = True
        return result if whole else _partial(result)


def _without_null(node: Schema) -> Schema:
    choices = [choice for choice in node.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) != 1:
        return node
    return {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}


def _partial(node: Schema) -> Schema:
    """Return what a value that is yet to be merged must meet."""
    types: Any = node["type"]
    loose = {key: value for key, value in node.items() if key not in ("required", "minProperties")}
    loose["type"] = [*(types if isinstance(types, list) else [types]), "null"]
    return loose | ({"enum": [*node["enum"], None]} if "enum" in node else {})


def _patterns(model: Schema) -> dict[str, list[str]]:
    """Return for each field the patterns that rules of the block ask of it."""
    found: dict[str, list[str]] = {}
    for rule in model.get("x-kubernetes-validations", []):
        match = _MATCHES.match(rule["rule"])
        if match and match["optional"] in (None, match["field"]):
            found.setdefault(match["field"], []).append(match["pattern"])
    return found
