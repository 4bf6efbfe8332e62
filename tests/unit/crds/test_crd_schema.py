"""The generated schema is structural, bounded and described in every corner."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from crdgen.manifest import custom_resource_definition, manifest

Schema = dict[str, Any]

VERSION = custom_resource_definition()["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]


def walk(node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from walk(node["additionalProperties"], f"{path}{{}}")


BLOCKS = [*walk(ROOT["properties"]["spec"], ".spec"), *walk(ROOT["properties"]["status"], ".status")]


def paths_where(condition: Any) -> list[str]:
    return [path for path, node in BLOCKS if condition(path, node)]


def test_the_walk_reaches_every_corner():
    paths = {path for path, _ in BLOCKS}
    corners = {
        ".spec.dataset.evaluation.fraction",
        ".spec.compute.nodeSelector{}",
        ".spec.compute.tolerations[].effect",
        ".status.conditions[].lastTransitionTime",
        ".status.metrics.baseline{}",
    }
    assert corners <= paths
    assert len(paths) > 150


def test_every_field_and_block_has_a_description():
    assert paths_where(lambda path, node: path[-1] not in "]}" and not node.get("description")) == []
    assert ROOT["description"]


def test_descriptions_are_sentences():
    assert paths_where(lambda _, node: not node.get("description", "A.").endswith(".")) == []


def test_every_string_is_bounded():
    free = paths_where(
        lambda _, node: (
            node.get("type") == "string" and "enum" not in node and not 0 < node.get("maxLength", 0) <= 32768
        )
    )
    assert free == []


def test_every_quantity_is_bounded():
    quantities = [node for _, node in BLOCKS if node.get("x-kubernetes-int-or-string")]
    assert len(quantities) == 11
    assert all(node["maxLength"] == 32 and "type" not in node for node in quantities)


@pytest.mark.parametrize(("kind", "bound"), [("array", "maxItems"), ("object", "maxProperties")])
def test_every_list_and_map_is_bounded(kind: str, bound: str):
    free = paths_where(
        lambda _, node: node.get("type") == kind and "properties" not in node and not 0 < node.get(bound, 0) <= 1000
    )
    assert free == []


def test_every_node_has_a_type():
    assert paths_where(lambda _, node: "type" not in node and not node.get("x-kubernetes-int-or-string")) == []


def test_nothing_is_left_of_pydantic():
    foreign = {"title", "$ref", "$defs", "const", "propertyNames", "oneOf", "allOf", "nullable"}
    assert paths_where(lambda _, node: foreign & node.keys()) == []
    assert paths_where(lambda _, node: node.get("additionalProperties") is False) == []
    assert paths_where(lambda _, node: "default" in node and node["default"] is None) == []
    assert paths_where(lambda _, node: "anyOf" in node and not node.get("x-kubernetes-int-or-string")) == []


def test_exclusive_bounds_are_booleans_beside_the_bound():
    fraction = dict(BLOCKS)[".spec.dataset.evaluation.fraction"]
    assert {key: fraction[key] for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")} == {
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 1,
        "exclusiveMaximum": True,
    }


def test_defaults_of_blocks_leave_to_the_api_server_what_members_default_to_unless_rules_are_tried_on_them():
    defaults = {path: node["default"] for path, node in BLOCKS if isinstance(node.get("default"), dict)}
    ruled = {path for path in defaults if dict(BLOCKS)[path].get("x-kubernetes-validations")}
    assert {path: defaults[path] for path in defaults if path not in ruled} == {
        ".spec.dataset.columns": {},
        ".spec.evaluation": {},
        ".status": {"observedGeneration": -1},
    }
    assert defaults[".spec.tuning"] == {"method": "Full"}
    for path in ruled:
        members = dict(BLOCKS)[path]["properties"]
        filled = {name: member["default"] for name, member in members.items() if "default" in member}
        assert filled.items() <= defaults[path].items()


def test_required_fields_have_no_default():
    required = {(path, name) for path, node in BLOCKS for name in node.get("required", [])}
    nodes = dict(BLOCKS)
    assert [path for path, name in required if "default" in nodes[f"{path}.{name}"]] == []
    assert {name for path, name in required if path == ".spec"} == {"model", "task", "dataset", "output"}


def test_every_rule_points_at_an_existing_field_and_says_what_to_do():
    nodes = {"": ROOT, **dict(BLOCKS)}
    nodes |= {".spec": ROOT["properties"]["spec"]}
    rules = [(path, rule) for path, node in nodes.items() for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) > 30
    lost = [(path, rule) for path, rule in rules if "fieldPath" in rule and path + rule["fieldPath"] not in nodes]
    assert lost == []
    assert [rule for _, rule in rules if len(rule["message"]) < 15 or "\n" in rule["message"]] == []


def test_conditions_are_a_map_by_type():
    conditions = dict(BLOCKS)[".status.conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_columns_and_subresources_point_at_existing_fields():
    paths = {path for path, _ in BLOCKS} | {".metadata.creationTimestamp"}
    scale = VERSION["subresources"]["scale"].values()
    columns = [column["jsonPath"] for column in VERSION["additionalPrinterColumns"]]
    selectable = [field["jsonPath"] for field in VERSION["selectableFields"]]
    assert {*scale, *columns, *selectable} <= paths


def test_the_manifest_is_plain_yaml_of_the_definition():
    text = manifest()
    assert yaml.safe_load(text) == custom_resource_definition()
    assert "&id" not in text
