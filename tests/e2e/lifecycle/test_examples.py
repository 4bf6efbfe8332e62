"""The examples, from `kubectl apply` to answers of the served models, each better than its base by its own margin."""

import json
from pathlib import Path

import pytest

from demo.ask import ask, forwarded, service_of
from demo.inputs import upload_inputs
from demo.stories import jobs_in, load_manifests, load_story, story_names
from demo.watch import last_phase
from tests.e2e.lifecycle.conftest import Bench, phase_is

# The first test of a base model makes it: minutes of computing, which say nothing about the example.
pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.stories, pytest.mark.timeout(1200, func_only=True)]

CACHE = Path.home() / ".cache" / "finetune-operator" / "models"
TIMEOUT_SECONDS = 550


def _marked(name: str) -> object:
    return pytest.param(name, marks=() if load_story(name).representative else pytest.mark.slow)


@pytest.fixture
def _inputs(bench: Bench, name: str) -> None:
    upload_inputs(bench.cluster, name, load_story(name), CACHE)


@pytest.mark.usefixtures("_inputs")
@pytest.mark.parametrize("name", [_marked(name) for name in story_names()])
def test_example_is_learnt_and_answers(bench: Bench, name: str) -> None:
    story, manifests = load_story(name), load_manifests(name)
    jobs = {job["metadata"]["name"]: job for job in jobs_in(manifests)}
    last = list(jobs)[-1]
    try:
        bench.cluster.run_kubectl("apply", "-f", "-", input_text="\n---\n".join(map(json.dumps, manifests)))
        statuses = {
            job: bench.wait(job, phase_is(last_phase(manifest), "Failed"), TIMEOUT_SECONDS)
            for job, manifest in jobs.items()
        }
        assert [status for status in statuses.values() if status["phase"] == "Failed"] == []
        for expected in story.expect:
            assert expected.broken(statuses[expected.job or last]["metrics"]) == []
        for question in story.ask:
            job = question.job or last
            assert statuses[job]["serving"]["digest"] == statuses[job]["artifact"]["digest"]
            with forwarded(bench.cluster, f"service/{service_of(statuses[job])}") as url:
                answer = ask(url, job, question)
            assert question.is_right(answer), f"{question.text}: {answer}"
    finally:
        bench.cluster.run_kubectl(
            "delete", "--ignore-not-found", "-f", "-", input_text="\n---\n".join(map(json.dumps, manifests))
        )
        for job in jobs:
            bench.delete(job)
