"""`docs/reference.md`: every field of the resource as a table per block, written from the generated schema."""

import json
from collections.abc import Iterator
from typing import Any

from crdgen.manifest import COLUMNS, WIDE_COLUMNS, custom_resource_definition
from crdgen.structural import Schema
from crdgen.tables import table
from finetune_api import API_VERSION, KIND, PLURAL, SHORT_NAME
from finetune_api.failures import EXIT_CODE_OF, NOT_COUNTED, TERMINAL, FailureClass

HEADER = f"""<!-- Generated from crds/finetune_api by `python -m crdgen`. Do not edit. -->
# {KIND} reference

`apiVersion: {API_VERSION}`, `kind: {KIND}`, short name `{SHORT_NAME}`. The same texts are at hand in
`kubectl explain {PLURAL}.spec`.

The API server checks all types, bounds and rules below when a manifest is applied, and fills in the defaults.
A field without a default is left unset.
"""

FIELD_TABLE = ("Field", "Type", "Default", "Bounds", "Description")
Block = tuple[str, Schema]


def reference() -> str:
    """Return the text of the reference page."""
    root = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    parts = [HEADER, _rules(root)]
    for name in ("spec", "status"):
        blocks = list(_blocks(name, root["properties"][name]))
        homes = {_identity(block): path for path, block in reversed(blocks)}
        parts += [_section(path, block, homes) for path, block in blocks if homes[_identity(block)] == path]
    parts += [_columns(), _failures()]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _blocks(path: str, node: Schema) -> Iterator[Block]:
    """Yield every object with fields of its own, in the order of the manifest; `[]` marks a list's item."""
    if "properties" in node:
        yield path, node
        for name, child in node["properties"].items():
            yield from _blocks(f"{path}.{name}", child)
    if "items" in node:
        yield from _blocks(f"{path}[]", node["items"])


def _identity(block: Schema) -> str:
    """Tell equal blocks by: a block that several fields share is written once, where it comes first."""
    return json.dumps([block["properties"], block.get("required")], sort_keys=True)


def _section(path: str, block: Schema, homes: dict[str, str]) -> str:
    required = block.get("required", [])
    rows = [
        (
            f"`{name}`",
            _type(f"{path}.{name}", node, homes),
            _default(node, name in required),
            _bounds(node),
            _text(node),
        )
        for name, node in block["properties"].items()
    ]
    return f"{'#' * (2 + path.count('.'))} {path}\n{_text(block)}\n\n{table(FIELD_TABLE, rows)}{_rules(block)}"


def _text(node: Schema) -> str:
    description: str = node.get("description", "")
    return description


def _type(path: str, node: Schema, homes: dict[str, str]) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "items" in node:
        return f"list of {_type(f'{path}[]', node['items'], homes)}"
    if "additionalProperties" in node:
        return f"map of string to {_type(path, node['additionalProperties'], homes)}"
    if "properties" in node:
        home = homes[_identity(node)]
        return f"[{home}](#{_anchor(home)})"
    return str(node.get("format") or node["type"])


def _anchor(path: str) -> str:
    return path.lower().replace(".", "").replace("[]", "")


def _default(node: Schema, required: bool) -> str:
    if required:
        return "**required**"
    default = node.get("default")
    if isinstance(default, dict):
        return ", ".join(f"`{key}: {_scalar(value)}`" for key, value in default.items()) or "the block's defaults"
    return "" if default is None else f"`{_scalar(default)}`"


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _bounds(node: Schema) -> str:
    said = [_values(node), _range(node), _sizes(node), f"`{node['pattern']}`" if "pattern" in node else ""]
    if node.get("x-kubernetes-list-type") == "set":
        said.append("all different")
    if "items" in node:
        said.append(_of_each("each", node["items"]))
    if "additionalProperties" in node:
        said.append(_of_each("each value", node["additionalProperties"]))
    return ", ".join(part for part in said if part)


def _of_each(whose: str, node: Schema) -> str:
    bounds = "" if "properties" in node else _bounds(node)
    return bounds and f"{whose} {bounds}"


def _values(node: Schema) -> str:
    return "one of " + ", ".join(f"`{value}`" for value in node["enum"]) if "enum" in node else ""


def _range(node: Schema) -> str:
    low = f"{'>' if node.get('exclusiveMinimum') else '≥'} {node['minimum']}" if "minimum" in node else ""
    high = f"{'<' if node.get('exclusiveMaximum') else '≤'} {node['maximum']}" if "maximum" in node else ""
    return ", ".join(part for part in (low, high) if part)


def _sizes(node: Schema) -> str:
    for suffix, unit in (("Length", "characters"), ("Items", "items"), ("Properties", "entries")):
        low, high = node.get(f"min{suffix}"), node.get(f"max{suffix}")
        if high is not None:
            return f"{low} to {high} {unit}" if low else f"at most {high} {unit}"
    return ""


def _rules(block: Schema) -> str:
    rules = block.get("x-kubernetes-validations", [])
    lines = [
        f"- `{rule['fieldPath'][1:]}` {rule['message']}" if "fieldPath" in rule else f"- {rule['message']}"
        for rule in rules
    ]
    return "\nRules:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _columns() -> str:
    head = ("Column", "Field", "Meaning")
    rows = [(name, f"`{path[1:]}`", text) for name, _, path, text in COLUMNS]
    rows += [(f"{name} (`-o wide`)", f"`{path[1:]}`", text) for name, _, path, text in WIDE_COLUMNS]
    return f"## Columns of kubectl get {SHORT_NAME}\n\n{table(head, rows)}"


def _failures() -> str:
    head = ("Class", "Exit code", "What the operator does")
    rows = [(f"`{failure}`", str(int(code)), _consequence(failure)) for failure, code in EXIT_CODE_OF.items()]
    return (
        "## Failure classes\n"
        "Why a training pod ended without a result; the reason of the condition that reports it.\n\n"
        f"{table(head, rows)}"
    )


def _consequence(failure: FailureClass) -> str:
    if failure in TERMINAL:
        return "fails the run at once: a retry cannot mend it"
    if failure in NOT_COUNTED:
        return "starts another pod, which resumes; does not count against `spec.maxRetries`"
    return "starts another pod, which resumes, up to `spec.maxRetries` times"
