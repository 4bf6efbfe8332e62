"""Readers are told when what they see of a source has changed, and only then."""

import pytest

from finetune_operator.cluster.key import Key
from finetune_operator.cluster.source_index import SourceIndex
from finetune_operator.kinds import Manifest
from finetune_operator.resource.chains import view_of
from tests.builders import finetune_job


def resource(source: str = "s3://finetune/models/tiny", **status: object) -> Manifest:
    return {**finetune_job(model={"source": source}), "status": status}


class Told:
    """An index of one namespace, and the names of those that were told since the last look."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self.index = SourceIndex(lambda key: self._told.append(key.name))

    def put(self, name: str, manifest: Manifest | None) -> list[str]:
        self._told.clear()
        self.index.put(Key("default", name), view_of(manifest) if manifest else None)
        return sorted(self._told)


def test_readers_hear_of_what_concerns_them():
    told = Told()
    assert told.put("reader", resource("job://base")) == []
    assert told.put("base", resource()) == ["reader"]
    assert told.put("base", resource(phase="Training", progress={"step": 1})) == ["reader"]
    assert told.put("base", resource(phase="Training", progress={"step": 2})) == []
    artifact = {"run": "r", "uri": "s3://b/r", "digest": "sha256:1"}
    assert told.put("base", resource(phase="Succeeded", artifact=artifact)) == ["reader"]
    assert told.put("stranger", resource()) == []
    assert told.put("base", None) == ["reader"]


def test_readers_of_readers_hear_too_since_a_cycle_concerns_each():
    told = Told()
    for reader, source in (("b", "a"), ("c", "b"), ("d", "c")):
        told.put(reader, resource(f"job://{source}"))
    assert told.put("a", resource("job://d")) == ["b", "c", "d"]
    assert set(told.index.upstream(Key("default", "a"))) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("after", [resource("job://other"), None], ids=["edited", "deleted"])
def test_one_that_reads_no_more_hears_no_more(after: Manifest | None):
    told = Told()
    told.put("reader", resource("job://base"))
    told.put("reader", after)
    assert told.put("base", resource()) == []


def test_namespaces_know_nothing_of_each_other():
    told = Told()
    told.index.put(Key("elsewhere", "reader"), view_of(resource("job://base")))
    assert told.put("base", resource()) == []
    assert told.index.upstream(Key("elsewhere", "reader")) == {}
