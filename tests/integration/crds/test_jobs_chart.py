"""The chart of FineTuneJobs: what its values make, what they may not hold, and that the API server takes the rest."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import CommandFailed
from tests.builders import Manifest, finetune_job, merge
from tests.integration.crds.jobs import NAMESPACE, Jobs

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts/finetune-jobs"
SPEC = finetune_job()["spec"]
EXAMPLES = [
    manifest
    for file in sorted(ROOT.glob("examples/*/finetunejob.yaml"))
    for manifest in yaml.safe_load_all(file.read_text())
]


def rendered(jobs: Jobs, *files: Path) -> dict[str, Manifest]:
    """Return the FineTuneJobs that files of values make, by name."""
    values = [word for file in files for word in ("--values", str(file))]
    text = jobs.cluster.run_helm("template", "release", str(CHART), "--namespace", NAMESPACE, *values)
    return {found["metadata"]["name"]: found for found in yaml.safe_load_all(text) if found}


def render(jobs: Jobs, folder: Path, /, **values: Any) -> dict[str, Manifest]:
    file = folder / "values.yaml"
    file.write_text(json.dumps(values))
    return rendered(jobs, file)


def shared(first: Manifest, second: Manifest) -> Manifest:
    """Return what two specs have in common."""
    both = {
        name: shared(first[name], second[name])
        if isinstance(first[name], dict) and isinstance(second[name], dict)
        else first[name]
        for name in first.keys() & second.keys()
        if isinstance(first[name], dict) == isinstance(second[name], dict)
        and (isinstance(first[name], dict) or first[name] == second[name])
    }
    return {name: value for name, value in both.items() if value != {}}


def without(spec: Manifest, common: Manifest) -> Manifest:
    """Return what a spec says beyond what it has in common with others."""
    return {
        name: without(value, common[name]) if name in common and isinstance(value, dict) else value
        for name, value in spec.items()
        if common.get(name) != value
    }


def test_no_jobs_make_nothing(jobs: Jobs):
    assert rendered(jobs) == {}


def test_every_example_is_the_same_from_values_and_the_api_server_takes_it(jobs: Jobs, tmp_path: Path):
    found = render(jobs, tmp_path, jobs={one["metadata"]["name"]: {"spec": one["spec"]} for one in EXAMPLES})
    assert len(found) > 10
    assert {name: job["spec"] for name, job in found.items()} == {
        one["metadata"]["name"]: one["spec"] for one in EXAMPLES
    }
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(found.values())})
    answer = jobs.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", input_text=document)
    assert answer.count("serverside-applied (server dry run)") == len(EXAMPLES)


def test_two_jobs_with_shared_defaults_are_the_two_manifests_of_an_example(jobs: Jobs, tmp_path: Path):
    wanted = {one["metadata"]["name"]: one["spec"] for one in EXAMPLES if "movie" in one["metadata"]["name"]}
    common = shared(*wanted.values())
    own = {name: {"spec": without(spec, common)} for name, spec in wanted.items()}
    assert {"model", "training", "dataset"} <= common.keys()
    assert not any({"model", "training", "dataset"} & one["spec"].keys() for one in own.values())
    found = render(jobs, tmp_path, defaults={"spec": common}, jobs=own)
    assert {name: job["spec"] for name, job in found.items()} == wanted


def test_a_job_wins_over_the_defaults_and_takes_them_back_with_null(jobs: Jobs, tmp_path: Path):
    tuned = {"tuning": {"method": "LoRA", "lora": {"rank": 8}}, "suspend": True, "training": {"epochs": 4, "seed": 7}}
    found = render(
        jobs,
        tmp_path,
        defaults={"labels": {"team": "a", "stage": "x"}, "annotations": {"note": "b"}, "spec": merge(SPEC, tuned)},
        jobs={
            "plain": {},
            "own": {
                "labels": {"team": "c", "stage": None},
                "annotations": None,
                "spec": {
                    "tuning": {"method": "Full", "lora": None},
                    "suspend": False,
                    "training": {"epochs": None, "maxSteps": 2_000_000, "learningRate": 1.5e-7},
                },
            },
            "gone": None,
        },
    )
    assert {name: job["metadata"] for name, job in found.items()} == {
        "plain": {
            "name": "plain",
            "namespace": NAMESPACE,
            "labels": {"team": "a", "stage": "x"},
            "annotations": {"note": "b"},
        },
        "own": {"name": "own", "namespace": NAMESPACE, "labels": {"team": "c"}},
    }
    assert found["plain"]["spec"] == merge(SPEC, tuned)
    training = {"maxSteps": 2_000_000, "learningRate": 1.5e-7, "seed": 7}
    own = {"tuning": {"method": "Full"}, "suspend": False, "training": training}
    assert found["own"]["spec"] == merge(SPEC, own)
    stored = jobs.dry_run(found["own"])
    assert (stored["spec"]["training"]["maxSteps"], stored["spec"]["training"]["learningRate"]) == (2_000_000, 1.5e-7)


REFUSED = {
    "type": ({"training": {"epochs": "many"}}, "/spec/training/epochs': got string, want "),
    "enum": ({"task": "Chat"}, "/spec/task': value must be one of 'SequenceClassification'"),
    "bound": ({"training": {"learningRate": 0}}, "/spec/training/learningRate': exclusiveMinimum: got 0"),
    "unknown-field": ({"tuning": {"rank": 8}}, "/spec/tuning': additional properties 'rank' not allowed"),
    "scheme": ({"model": {"source": "http://x/y"}}, r"/spec/model/source': 'http://x/y' does not match pattern"),
    "number-for-text": ({"runId": 7}, "/spec/runId': got number, want "),
    "amount": ({"compute": {"cpu": 0.5}}, "/spec/compute/cpu': got number, want "),
    "item-of-a-list": (
        {"compute": {"tolerations": [{"effect": "Never"}]}},
        "/spec/compute/tolerations/0/effect': value must be one of",
    ),
    "what-an-item-lacks": (
        {"grpo": {"rewardFunctions": [{"type": "Regex"}]}},
        "/spec/grpo/rewardFunctions/0': missing property 'name'",
    ),
}


def test_values_that_the_schema_refuses_are_all_named(jobs: Jobs, tmp_path: Path):
    specs = {name: {"spec": spec} for name, (spec, _) in REFUSED.items()}
    with pytest.raises(CommandFailed) as refusal:
        render(jobs, tmp_path, jobs=specs, defaults=specs["bound"])
    expected = [f"/jobs/{name}{message}" for name, (_, message) in REFUSED.items()]
    expected.append(f"/defaults{REFUSED['bound'][1]}")
    assert [line for line in expected if line not in str(refusal.value)] == []


def test_names_that_no_object_can_have_are_refused(jobs: Jobs, tmp_path: Path):
    with pytest.raises(CommandFailed, match="Upper"):
        render(jobs, tmp_path, jobs={"Upper": {"spec": SPEC}})


def test_what_is_missing_after_merging_is_told_at_once_by_job_and_field(jobs: Jobs, tmp_path: Path):
    with pytest.raises(CommandFailed) as refusal:
        render(
            jobs,
            tmp_path,
            defaults={"spec": {"model": {"secretRef": {"name": "s3"}}, "output": {"secretRef": {"name": "s3"}}}},
            jobs={"sentiment": {"spec": {"task": "SFT", "dataset": {}}}},
        )
    for field in ("model.source", "output.destination", "dataset.train"):
        assert f"jobs.sentiment.spec.{field}: is required; set it in the job or in the defaults" in str(refusal.value)


CLASHES = [
    ({"tuning": {"lora": {"rank": 8}}}, ".tuning.lora: is only for method LoRA; remove the block"),
    ({"tuning": {"method": "Freeze"}}, ".tuning.freeze: is needed by method Freeze"),
    ({"sft": {}}, ".sft: is only for task SFT"),
    ({"task": "PPO"}, ": task PPO needs a reward: set spec.ppo.rewardModel"),
    ({"training": {"epochs": 2, "maxSteps": 9}}, ".training: set only one of epochs and maxSteps"),
    (
        {"task": "GRPO", "grpo": {"rewardFunctions": [{"name": "a", "type": "Regex"}]}},
        ".grpo.rewardFunctions[0].type: needs the block regex",
    ),
]


def test_blocks_that_do_not_fit_after_merging_are_told_in_the_words_of_the_api_server(jobs: Jobs, tmp_path: Path):
    own = {f"job-{number}": {"spec": change} for number, (change, _) in enumerate(CLASHES)}
    with pytest.raises(CommandFailed) as refusal:
        render(jobs, tmp_path, defaults={"spec": SPEC}, jobs=own)
    for number, (change, message) in enumerate(CLASHES):
        assert f"jobs.job-{number}.spec{message}" in str(refusal.value)
        words = message.split(": ", 1)[1]
        assert words in str(jobs.refusal(finetune_job("job", NAMESPACE, **change)))


@pytest.mark.parametrize(
    ("environment", "names"), [("staging", {"genres", "genres-frozen"}), ("production", {"genres"})]
)
def test_values_of_the_charts_examples_make_jobs_that_the_api_server_takes(
    jobs: Jobs, environment: str, names: set[str]
):
    found = rendered(jobs, CHART / "examples/base.yaml", CHART / f"examples/{environment}.yaml")
    assert found.keys() == names
    for job in found.values():
        assert jobs.dry_run(job)["metadata"]["labels"] == {"team": "films", "environment": environment}
