"""Run ids, launch digests and the names of children: stable across releases, distinct, and valid."""

import itertools
import re
from typing import Any

import pytest

from finetune_api.runs import child_name, identify, launch_digest, run_id
from finetune_api.spec.job import FineTuneJobSpec

CLASSIFICATION: dict[str, Any] = {
    "model": {"source": "s3://bucket/base"},
    "task": "SequenceClassification",
    "dataset": {"train": {"source": "s3://bucket/train.csv"}},
    "output": {"destination": "s3://bucket/tuned"},
}
SFT: dict[str, Any] = {
    "model": {"source": "hf://org/model", "revision": "main", "secretRef": {"name": "hub"}},
    "task": "SFT",
    "sft": {"completionOnlyLoss": False},
    "tuning": {"method": "LoRA", "lora": {"rank": 8, "targetModules": ["q_proj", "v_proj"]}},
    "dataset": {
        "train": {"source": "pvc://data/train.jsonl"},
        "evaluation": {"source": "pvc://data/held-out.jsonl"},
        "secretRef": {"name": "data"},
    },
    "training": {"maxSteps": 100, "learningRate": 0.001},
    "compute": {"image": "registry.example/trainer:1"},
    "output": {"destination": "pvc://models/tuned"},
}


def merged(base: Any, change: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    return base | {key: merged(base.get(key), value) for key, value in change.items()}


def spec(base: dict[str, Any], change: dict[str, Any] | None = None) -> FineTuneJobSpec:
    return FineTuneJobSpec.model_validate(merged(base, change or {}))


def test_ids_are_the_same_in_every_release():
    """A changed value here means that an upgrade of the operator trains every job of every user again."""
    assert (run_id(spec(CLASSIFICATION)), launch_digest(spec(CLASSIFICATION))) == ("dfb387bd", "5695a402659a4450")
    assert (run_id(spec(SFT)), launch_digest(spec(SFT))) == ("e8e5c94f", "e48748945470c358")


def test_a_job_that_was_stored_with_the_former_default_rate_keeps_its_run():
    """SFT had 5e-5 filled in by the API server; one that names no rate now has its task's own, which is another run."""
    plain = {**SFT, "training": {"maxSteps": 100}}
    assert run_id(spec(plain, {"training": {"learningRate": 5e-5}})) == "469cead4"
    assert run_id(spec(plain)) == run_id(spec(plain, {"training": {"learningRate": 2e-4}}))
    assert run_id(spec(plain)) != "469cead4"


@pytest.mark.parametrize("base", [CLASSIFICATION, SFT], ids=["classification", "sft"])
def test_defaults_filled_in_by_the_api_server_change_nothing(base: dict[str, Any]):
    filled = spec(base).to_wire()
    assert filled != base
    assert run_id(spec(filled)) == run_id(spec(base))
    assert launch_digest(spec(filled)) == launch_digest(spec(base))


@pytest.mark.parametrize(
    "change",
    [
        {"tuning": {}},
        {"tuning": {"method": "Full"}},
        {"dataset": {"evaluation": {"fraction": 0.1}}},
        {"dataset": {"columns": {"text": "text"}}},
        {"training": {"seed": 42, "learningRate": 5e-5, "weightDecay": 0}},
        {"sequenceClassification": {}},
        {"evaluation": {"baseline": True}},
    ],
    ids=str,
)
def test_spelling_out_a_default_is_the_same_run(change: dict[str, Any]):
    assert run_id(spec(CLASSIFICATION, change)) == run_id(spec(CLASSIFICATION))


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"secretRef": {"name": "rotated"}}},
        {"dataset": {"secretRef": {"name": "rotated"}}},
        {"output": {"secretRef": {"name": "rotated"}, "destination": "s3://elsewhere/tuned"}},
        {"compute": {"memory": "64Gi", "gpus": 1, "nodeSelector": {"zone": "a"}}},
        {"compute": {"serviceAccountName": "cloud", "env": [{"name": "A", "value": "B"}]}},
        {"storage": {"storageClassName": "fast"}},
        {"serving": {"enabled": True, "replicas": 3}},
        {"suspend": True},
        {"maxRetries": 9, "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 60},
        {"evaluation": {"baseline": False, "batchSize": 2, "maxNewTokens": 9}},
        {"dataset": {"truncationWarningShare": 0.5}},
        {"training": {"loggingIntervalSteps": 1, "checkpointIntervalSteps": 1, "evaluationIntervalSteps": 1}},
        {"training": {"globalBatchSize": 8, "gradientCheckpointing": True}},
        {"workspaceTTLSecondsAfterFinished": 60},
        {"tracking": {"type": "WandB", "tags": {"team": "nlp"}}},
    ],
    ids=str,
)
def test_what_the_training_does_not_depend_on_is_the_same_run(change: dict[str, Any]):
    assert run_id(spec(CLASSIFICATION, change)) == run_id(spec(CLASSIFICATION))


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"source": "s3://bucket/other"}},
        {"task": "SFT"},
        {"sequenceClassification": {"labels": ["a", "b"]}},
        {"sequenceClassification": {"labels": ["b", "a"]}},
        {"tuning": {"method": "LoRA"}},
        {"dataset": {"train": {"source": "s3://bucket/other.csv"}}},
        {"dataset": {"evaluation": {"fraction": 0.2}}},
        {"dataset": {"seed": 1}},
        {"training": {"seed": 1}},
        {"training": {"epochs": 1}},
        {"compute": {"image": "registry.example/trainer:2"}},
        {"runId": "again"},
        {"runId": "and-again"},
    ],
    ids=str,
)
def test_every_training_input_makes_a_run_of_its_own(change: dict[str, Any]):
    assert run_id(spec(CLASSIFICATION, change)) != run_id(spec(CLASSIFICATION))


@pytest.mark.parametrize(
    "change",
    [
        {"compute": {"memory": "64Gi"}},
        {"compute": {"serviceAccountName": "cloud"}},
        {"compute": {"env": [{"name": "A", "value": "B"}]}},
        {"storage": {"storageClassName": "fast"}},
        {"output": {"destination": "s3://elsewhere/tuned"}},
        {"output": {"secretRef": {"name": "rotated"}}},
        {"tracking": {"type": "WandB", "secretRef": {"name": "rotated"}}},
        {"model": {"secretRef": {"name": "rotated"}}},
        {"training": {"seed": 1}},
        {"training": {"gradientCheckpointing": True}},
    ],
    ids=str,
)
def test_all_that_a_job_is_made_from_changes_the_launch(change: dict[str, Any]):
    assert launch_digest(spec(CLASSIFICATION, change)) != launch_digest(spec(CLASSIFICATION))


@pytest.mark.parametrize(
    "change",
    [
        {"serving": {"enabled": True}},
        {"suspend": True},
        {"ttlSecondsAfterFinished": 60},
        {"compute": {"cpu": "1000m", "memory": "4096Mi"}, "storage": {"size": "20480Mi"}},
        {"compute": {"cpu": 1, "memory": 4 << 30}},
        {"evaluation": {"baseline": False, "batchSize": 2, "maxNewTokens": 9}},
        {"dataset": {"truncationWarningShare": 0.5}},
        {"training": {"loggingIntervalSteps": 1, "checkpointIntervalSteps": 1, "evaluationIntervalSteps": 1}},
        {"training": {"globalBatchSize": 8}},
        {"workspaceTTLSecondsAfterFinished": 60},
    ],
    ids=str,
)
def test_what_the_job_is_not_made_from_keeps_the_launch(change: dict[str, Any]):
    assert launch_digest(spec(CLASSIFICATION, change)) == launch_digest(spec(CLASSIFICATION))


@pytest.mark.parametrize(
    "spellings",
    [
        [{"cpu": "500m"}, {"cpu": "0.5"}, {"cpu": ".5"}, {"cpu": "5e-1"}],
        [{"memory": "1Gi"}, {"memory": "1024Mi"}, {"memory": 1 << 30}, {"memory": "1073741824"}],
        [{"cpu": 2}, {"cpu": "2"}, {"cpu": "2000m"}],
        [{"limits": {"memory": "64G"}}, {"limits": {"memory": "64e9"}}],
        [{"sharedMemory": "1Gi"}, {"sharedMemory": "1024Mi"}],
    ],
    ids=str,
)
def test_the_spelling_of_an_amount_keeps_the_launch(spellings: list[dict[str, Any]]):
    launches = {launch_digest(spec(CLASSIFICATION, {"compute": compute})) for compute in spellings}
    assert len(launches) == 1
    assert launches != {launch_digest(spec(CLASSIFICATION))}


FORMER = {
    "dataset": {"truncationWarningShare": 0.5},
    "training": {"loggingIntervalSteps": 5, "checkpointIntervalSteps": 50, "gradientCheckpointing": True},
    "evaluation": {"baseline": False},
    "compute": {"cpu": "1500m", "memory": "1024Mi"},
}


def test_names_of_earlier_releases_are_known():
    """These values were computed by the release that counted everything; they name stored runs."""
    found = identify(spec(CLASSIFICATION, FORMER), {}, {})
    assert (found.former_run, found.former_launch) == ("ff9a626c", "aad81a48e56cf34c")
    plain = identify(spec(CLASSIFICATION), {}, {})
    assert (plain.former_run, plain.former_launch) == (plain.run, plain.launch)
    assert plain.evaluation is None


JOB_NAMES = [
    "a",
    "imdb-sentiment",
    "imdb.sentiment",
    "imdb-sentiment.v2",
    "7b-instruct",
    "7",
    "a" * 47,
    "a" * 48,
    "a" * 54,
    "a" * 55,
    "a" * 63,
    "a" * 253,
    "a" * 252 + "b",
    "a" * 39 + "-" + "b" * 30,
    "a" * 40 + "." + "b" * 30,
    "a" * 41 + "-" * 20 + "b",
    "a.b.c.d",
    "a-b.c.d",
    ".".join(["a" * 50] * 4),
    ("1" * 62 + ".") * 3 + "1" * 60,
]
SUFFIXES = ["0123abcd", "0123abcd-server", "workspace", "server"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("job_name", JOB_NAMES, ids=lambda name: f"{name[:20]}({len(name)})")
def test_children_have_names_that_every_kind_may_bear(job_name: str, suffix: str):
    name = child_name(job_name, suffix)
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= 63
    assert name.endswith(f"-{suffix}")
    assert name == child_name(job_name, suffix)


def test_children_of_different_jobs_never_share_a_name():
    names = [child_name(job, suffix) for job, suffix in itertools.product(JOB_NAMES, SUFFIXES)]
    assert len(set(names)) == len(JOB_NAMES) * len(SUFFIXES)


def test_names_that_fit_are_left_as_they_are():
    assert child_name("imdb-sentiment", "0123abcd") == "imdb-sentiment-0123abcd"
    assert child_name("a" * 54, "0123abcd") == "a" * 54 + "-0123abcd"


def test_the_start_of_a_long_name_stays_readable():
    assert child_name("imdb.sentiment", "server").startswith("imdb-sentiment-")
    assert child_name("7b-instruct", "server").startswith("ftj-7b-instruct-")
