"""What the API server makes of a job that it accepts: defaults, columns, subresources, fixed storage."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from finetune_api.runs import run_id
from finetune_api.spec.job import FineTuneJobSpec
from tests.builders import Manifest, finetune_job
from tests.integration.crds.jobs import NAMESPACE, Jobs

pytestmark = pytest.mark.cluster

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/finetunejob.yaml"))
UNSEEN = {"observedGeneration": -1}
WORKSPACE = {"workspace": "job-workspace"}


def job(name: str, **spec: Any) -> Manifest:
    return finetune_job(name, NAMESPACE, **spec)


def test_the_crd_is_established_and_structural(jobs: Jobs):
    template = "{range .status.conditions[*]}{.type}={.status} {end}"
    conditions = jobs.kubectl("get", "crd", "finetunejobs.finetune.dev", "-o", f"jsonpath={template}").split()
    assert sorted(conditions) == ["Established=True", "NamesAccepted=True"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples_are_accepted(jobs: Jobs, path: Path):
    for manifest in yaml.safe_load_all(path.read_text()):
        stored = jobs.dry_run(manifest)["spec"]
        assert stored == FineTuneJobSpec.model_validate(manifest["spec"]).to_wire()


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"task": "SFT", "sft": {}, "tuning": {"method": "LoRA", "lora": {}}},
        {"dataset": {"evaluation": {"source": "s3://finetune/data/test.csv"}}, "training": {"maxSteps": 5}},
        {"compute": {"cpu": 2, "memory": 1 << 30, "tolerations": [{"operator": "Exists"}]}},
        {"serving": {"enabled": True}, "storage": {}, "sequenceClassification": {}},
    ],
    ids=str,
)
def test_the_api_server_fills_in_what_the_models_do(jobs: Jobs, spec: dict[str, Any]):
    manifest = job("defaults", **spec)
    asked = FineTuneJobSpec.model_validate(manifest["spec"])
    stored = jobs.dry_run(manifest)["spec"]
    assert stored == asked.to_wire()
    assert run_id(FineTuneJobSpec.model_validate(stored)) == run_id(asked)


def test_applying_again_changes_nothing(jobs: Jobs):
    first = jobs.apply(job("again"))["metadata"]
    second = jobs.apply(job("again"), "--server-side", "--field-manager=gitops")["metadata"]
    assert (first["uid"], first["generation"]) == (second["uid"], second["generation"])


@pytest.mark.parametrize(
    "storage", [{"storageClassName": "fast"}, {"existingClaim": "mine"}, {"accessModes": ["ReadWriteMany"]}], ids=str
)
def test_storage_is_fixed_once_the_workspace_exists(jobs: Jobs, storage: dict[str, Any]):
    jobs.apply(job("fixed"))
    jobs.set_status("fixed", WORKSPACE)
    assert jobs.refusal(job("fixed", storage=storage)) == [
        "spec.storage: Forbidden: but for its size, cannot change once the workspace volume exists (status.workspace):"
        " undo the change, or delete this job and create it anew, or create a job of another name"
    ]


def test_the_size_of_the_workspace_may_change_also_back_to_what_the_volume_has(jobs: Jobs):
    """Where a volume cannot grow, the wish for more has to be taken back."""
    jobs.apply(job("growing"))
    jobs.set_status("growing", WORKSPACE)
    for size in ("40Gi", "20480Mi"):
        assert jobs.apply(job("growing", storage={"size": size}))["spec"]["storage"]["size"] == size


def test_everything_else_may_change_while_the_workspace_exists(jobs: Jobs):
    jobs.apply(job("fixed"))
    jobs.set_status("fixed", WORKSPACE)
    jobs.apply(job("fixed", training={"seed": 7}, serving={"enabled": True}, storage={"size": "20Gi"}))
    jobs.set_status("fixed", {"phase": "Training"})
    assert jobs.get("fixed")["spec"]["training"]["seed"] == 7


def test_storage_may_change_before_the_workspace_exists(jobs: Jobs):
    jobs.apply(job("unfixed"))
    jobs.set_status("unfixed", {"phase": "Pending"})
    assert jobs.apply(job("unfixed", storage={"size": "40Gi"}))["spec"]["storage"] == {"size": "40Gi"}


def test_the_operator_cannot_change_the_spec_by_way_of_the_status(jobs: Jobs):
    jobs.apply(job("status"))
    jobs.kubectl(
        "patch", "ftj", "status", "--subresource=status", "--type=merge",
        "--patch", '{"spec": {"suspend": true}, "status": {"phase": "Failed"}}',
    )  # fmt: skip
    stored = jobs.get("status")
    assert (stored["spec"]["suspend"], stored["status"]) == (False, {**UNSEEN, "phase": "Failed"})


def test_a_job_that_nobody_has_seen_yet_is_in_progress_by_the_rules_of_kstatus(jobs: Jobs):
    jobs.apply({**job("unseen"), "status": {"observedGeneration": 1, "phase": "Ready"}})
    stored = jobs.get("unseen")
    assert stored["status"] == UNSEEN
    assert stored["metadata"]["generation"] == 1


def test_kubectl_scale_sets_the_serving_replicas(jobs: Jobs):
    jobs.apply(job("scaled", serving={"enabled": True}))
    jobs.set_status("scaled", {"serving": {"replicas": 1, "selector": "app=scaled"}})
    jobs.kubectl("scale", "ftj/scaled", "--replicas=3")
    assert jobs.get("scaled")["spec"]["serving"]["replicas"] == 3
    path = f"/apis/finetune.dev/v1alpha1/namespaces/{NAMESPACE}/finetunejobs/scaled/scale"
    scale = yaml.safe_load(jobs.kubectl("get", "--raw", path))
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 1, "selector": "app=scaled"})


def test_the_table_tells_the_story(jobs: Jobs):
    jobs.apply(job("table", task="SFT"))
    jobs.set_status(
        "table",
        {
            "phase": "Training",
            "reason": "Resumed",
            "message": "Resumed from step 40.",
            "run": {"id": "0123abcd", "launch": "0" * 16},
            "progress": {"display": "50/100 (50%)", "eta": "4m10s", "loss": 0.25},
            "score": "0.912 (base 0.508)",
            "serving": {"url": "http://table.crd-tests"},
        },
    )
    cells = [re.split(r" {2,}", line) for line in jobs.kubectl("get", "ftj", "table", "-o", "wide").splitlines()]
    head = ["NAME", "TASK", "PHASE", "PROGRESS", "ETA", "LOSS", "SCORE", "URL", "AGE", "REASON", "MESSAGE", "RUN"]
    row = dict(zip(head, cells[1], strict=True))
    age = row.pop("AGE")
    assert cells[0] == head
    assert re.fullmatch(r"\d+s", age)
    assert list(row.values()) == [
        "table", "SFT", "Training", "50/100 (50%)", "4m10s", "0.25", "0.912 (base 0.508)", "http://table.crd-tests",
        "Resumed", "Resumed from step 40.", "0123abcd",
    ]  # fmt: skip
    assert jobs.kubectl("get", "ftj", "table").split("\n")[0].split() == head[:9]


@pytest.mark.parametrize("category", ["finetune", "ml", "finetunejobs", "finetunejob", "FineTuneJob"])
def test_jobs_are_found_under_every_name(jobs: Jobs, category: str):
    jobs.apply(job("named"))
    assert "finetunejob.finetune.dev/named" in jobs.kubectl("get", category, "-o", "name").split()


def test_jobs_are_found_by_task_and_phase(jobs: Jobs):
    jobs.apply(job("selected", task="SFT"))
    jobs.apply(job("unselected"))
    for name in ("selected", "unselected"):
        jobs.set_status(name, {"phase": "Succeeded"})
    selector = "--field-selector=spec.task=SFT,status.phase=Succeeded"
    assert jobs.kubectl("get", "ftj", selector, "-o", "name").split() == ["finetunejob.finetune.dev/selected"]


def test_kubectl_explains_every_field(jobs: Jobs):
    explained = " ".join(jobs.kubectl("explain", "ftj.spec.training").split())
    schema = FineTuneJobSpec.model_json_schema()["$defs"]["TrainingSpec"]["properties"]
    assert [name for name, node in schema.items() if f"{name} <" not in explained] == []
    assert [name for name, node in schema.items() if node["description"] not in explained] == []
