"""Equal parts of different objects are one; nothing else about them changes."""

import json
from typing import Any

import pytest

from finetune_operator.cluster import sharing as sharing_module
from finetune_operator.cluster.sharing import Sharing

OBJECT = {"kind": "Pod", "spec": {"args": ["a", 1, 1.5, None, True, {"b": "c" * 400}], "env": []}, "status": {}}


def parsed(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_equal_parts_are_shared_and_values_stay_the_same() -> None:
    sharing = Sharing()
    first, second = (sharing.of(parsed({**OBJECT, "name": name})) for name in "xy")
    assert (first, second) == ({**OBJECT, "name": "x"}, {**OBJECT, "name": "y"})
    assert first["spec"]["env"] is second["spec"]["env"]
    assert first is not second


def test_numbers_and_booleans_that_are_equal_are_told_apart() -> None:
    sharing = Sharing()
    assert [repr(sharing.of({"value": value})) for value in (1, True, 1.0)] == [
        "{'value': 1}",
        "{'value': True}",
        "{'value': 1.0}",
    ]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_module, "REMEMBERED_PARTS", 10)
    sharing = Sharing()
    for number in range(1_000):
        assert sharing.of({"number": str(number), "common": {"a": "b"}})["number"] == str(number)
    assert len(sharing._parts) == 10
