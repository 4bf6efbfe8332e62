"""Turns pydantic's JSON schema into the structural OpenAPI v3.0 schema that a CustomResourceDefinition takes."""

from typing import Any, cast

from pydantic import BaseModel

Schema = dict[str, Any]

NOT_STRUCTURAL = {"title", "additionalProperties", "propertyNames", "$defs"}
"""Keywords that the API server refuses or does not know. It prunes or reports unknown fields by itself."""
LEADING_KEYWORDS = ("type", "description", "default", "enum")
"""What a reader of the manifest looks for first."""
EXCLUSIVE_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the structural schema of `model`: references inlined, unset fields left out instead of null."""
    schema = model.model_json_schema(by_alias=True)
    return _convert(schema, schema.get("$defs", {}))


def _convert(node: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _resolve(node, definitions)
    result = {key: value for key, value in node.items() if key not in NOT_STRUCTURAL}
    for exclusive, bound in EXCLUSIVE_BOUNDS.items():
        if exclusive in result:
            result |= {bound: result[exclusive], exclusive: True}
    if "properties" in node:
        result["properties"] = {name: _convert(child, definitions) for name, child in node["properties"].items()}
    if isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _convert(node["additionalProperties"], definitions)
    if "items" in node:
        result["items"] = _convert(node["items"], definitions)
    return _ordered(_with_minimal_default(result))


def _ordered(node: Schema) -> Schema:
    leading = {key: node[key] for key in LEADING_KEYWORDS if key in node}
    return leading | dict(sorted((key, value) for key, value in node.items() if key not in leading))


def _resolve(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Inline `$ref` and the one real member of an Optional; what is said at the field wins."""
    choices = [choice for choice in node.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        outer = {key: value for key, value in node.items() if key != "anyOf"}
        return _resolve(choices[0] | outer, definitions)
    if "$ref" in node:
        outer = {key: value for key, value in node.items() if key != "$ref"}
        return _resolve(definitions[node["$ref"].rsplit("/", 1)[1]] | outer, definitions)
    return node


def _with_minimal_default(node: Schema) -> Schema:
    """Drop what the API server fills in anyway: null, and members that have the same default themselves."""
    if node.get("default", ...) is None:
        return {key: value for key, value in node.items() if key != "default"}
    if isinstance(node.get("default"), dict):
        # Rules are tried on the default as it stands here, before the members' own defaults are filled in.
        shortened = _without_null if "x-kubernetes-validations" in node else _minimal
        return node | {"default": shortened(node["default"], node)}
    return node


def _without_null(value: Schema, node: Schema) -> Schema:
    members = node.get("properties", {})
    return {
        key: _without_null(member, members.get(key, {})) if isinstance(member, dict) else member
        for key, member in value.items()
        if member is not None
    }


def _minimal(value: Schema, node: Schema) -> Schema:
    kept: Schema = {}
    for key, member in value.items():
        child = cast(Schema, node.get("properties", {}).get(key, {}))
        reduced = _minimal(member, child) if isinstance(member, dict) else member
        if member is not None and reduced != child.get("default"):
            kept[key] = reduced
    return kept
