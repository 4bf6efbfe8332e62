"""Base models from hf:// sources, downloaded by huggingface_hub from a stand-in of the Hub."""

import re
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from finetune_api.failures import ExitCode, FailureClass
from tests.e2e.trainer.hub_stand_in import COMMIT, Hub, serve
from tests.e2e.trainer.tiny_data import reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

TOKEN = "hf_a-secret-token"


@pytest.fixture
def hub(site: Site) -> Iterator[Hub]:
    """A Hub with one private repository, and the Secret to reach it."""
    with serve(Hub(site.volumes / "models/encoder", "acme/tiny", token=TOKEN)) as hub:
        secret(site, HF_TOKEN=TOKEN, HF_ENDPOINT=hub.endpoint)
        yield hub


def secret(site: Site, **values: str) -> None:
    """Mount a Secret with these values for the model."""
    folder = site.secrets / "model"
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (folder / name).write_text(value)


def _job(site: Site, source: str = "hf://acme/tiny", **model: str) -> dict[str, Any]:
    return site.job(
        task="SequenceClassification",
        model={"source": source, **model},
        dataset={"train": {"source": site.write("train.jsonl", reviews())}, "evaluation": {"fraction": 0.25}},
        training={"maxSteps": 1, "epochs": None},
        evaluation={"baseline": False},
    )


def test_a_tag_is_resolved_to_a_commit_that_is_recorded(site: Site, hub: Hub):
    (hub.folder / "pytorch_model.bin").write_bytes(b"not to be fetched")
    (hub.folder / "onnx").mkdir(exist_ok=True)
    (hub.folder / "onnx/config.json").write_text("{}")
    process = site.run(_job(site, revision="v1")).succeeded()
    assert process.report.artifact
    assert process.report.artifact.base_revision == COMMIT
    card = (site.published() / "README.md").read_text()
    assert "base_model: acme/tiny" in card
    assert COMMIT in card
    asked = " ".join(hub.requests)
    assert "model.safetensors" in asked
    assert "pytorch_model.bin" not in asked
    assert "onnx" not in asked
    for text in (process.output, card, *(path.read_text() for path in site.workspace.rglob("*.json"))):
        assert TOKEN not in text


def test_a_published_run_is_judged_again_by_the_models_that_it_was_made_from(site: Site, hub: Hub):
    """The finished run dropped the base model; it is fetched again at the commit that was trained, for the baseline."""
    job = _job(site, revision="v1")
    first = site.run(job).succeeded().report
    assert not first.metrics.baseline
    published = {path: path.stat().st_mtime_ns for path in site.published().rglob("*")}
    hub.requests.clear()
    again = site.run({**job, "evaluation": {"baseline": True}, "trained": True}).succeeded()
    assert again.report.metrics.baseline["accuracy"] >= 0
    assert again.report.metrics.evaluation == first.metrics.evaluation
    assert again.report.artifact == first.artifact
    assert {path: path.stat().st_mtime_ns for path in site.published().rglob("*")} == published
    assert any(f"/resolve/{COMMIT}/" in request for request in hub.requests)
    for stage in ("data", "train", "export", "push"):
        assert re.search(rf"{stage}\W+done by an earlier attempt", again.output), again.output
    third = site.run({**job, "evaluation": {"baseline": True}, "trained": True}).succeeded()
    assert re.search(r"evaluate\W+done by an earlier attempt", third.output)
    shutil.rmtree(site.workspace)
    lost = site.start({**job, "trained": True})
    assert lost.wait() == ExitCode.MISSING_INPUT
    assert "no longer holds run run" in lost.output


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"source": "hf://acme/absent"}, ExitCode.MISSING_INPUT, "hf://acme/absent is not on http://127.0.0.1"),
        ({"revision": "v9"}, ExitCode.MISSING_INPUT, "has no revision 'v9'"),
        ({"source": "hf://a/b/c"}, ExitCode.BAD_SPEC, "expected one of: hf://name"),
    ],
)
def test_what_is_not_on_the_hub_is_named(site: Site, hub: Hub, change: dict[str, str], code: ExitCode, words: str):
    process = site.start(_job(site, **change))
    assert process.wait() == code, process.output
    assert words in process.output
    assert hub.requests or code is ExitCode.BAD_SPEC


def test_a_wrong_token_is_told_apart_from_a_bug(site: Site, hub: Hub):
    secret(site, HF_TOKEN="hf_wrong", HF_ENDPOINT=hub.endpoint)
    process = site.start(_job(site))
    assert process.wait() == ExitCode.MISSING_INPUT
    assert "HF_TOKEN in spec.model.secretRef" in process.output
    assert "hf_wrong" not in process.output


def test_a_hub_that_stumbles_is_asked_again_by_the_next_attempt_or_after_a_while(site: Site, hub: Hub):
    hub.failures = 1
    assert site.start(_job(site)).wait() == ExitCode.UNAVAILABLE
    hub.failures = 1
    waited = replace(site, patience_seconds=60).run(_job(site)).succeeded()
    assert re.search(r"answers HTTP 503; try again later \(spec[\w.]+\); waiting for", waited.output)


def test_a_download_that_stalls_does_not_hold_up_the_end(site: Site, hub: Hub):
    hub.stalled = True
    process = site.start(_job(site))
    while not any("/resolve/" in request for request in hub.requests):
        time.sleep(0.05)
    started = time.monotonic()
    process.send(signal.SIGTERM)
    assert process.wait() == ExitCode.PREEMPTED
    assert time.monotonic() - started < 20
    assert process.report.failure
    assert process.report.failure.failure_class is FailureClass.PREEMPTED
    hub.stalled = False


def test_a_hub_that_is_away_is_unavailable(site: Site, hub: Hub):
    secret(site, HF_ENDPOINT="http://127.0.0.1:9")
    process = site.start(_job(site))
    assert process.wait() == ExitCode.UNAVAILABLE
    assert "can the pod reach it?" in process.output
    assert not hub.requests
