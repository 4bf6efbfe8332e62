"""Defaults are part of the API: run ids, launch digests and job files leave out what is one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crdgen.structural import structural_schema
from finetune_api.spec.job import FineTuneJobSpec

PINNED = Path(__file__).with_name("defaults.json")


def defaults(schema: dict[str, Any], path: str = "spec") -> Iterator[tuple[str, Any]]:
    for name, field in schema.get("properties", {}).items():
        if "default" in field and not isinstance(field["default"], dict):
            yield f"{path}.{name}", field["default"]
        yield from defaults(field, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from defaults(schema["items"], f"{path}[]")


def test_no_default_ever_changes():
    """Another default under an old name trains stored jobs again, and means something else to an older trainer.

    A new default needs a new field, or a new version of the API. New fields are added to the file: print(json.dumps(
    dict(defaults(structural_schema(FineTuneJobSpec))), indent=1)).
    """
    found = dict(defaults(structural_schema(FineTuneJobSpec)))
    pinned = json.loads(PINNED.read_text())
    assert {path: found.get(path) for path in pinned} == pinned
