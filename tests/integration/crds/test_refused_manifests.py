"""What a person reads when the API server refuses a manifest."""

from typing import Any

import pytest

from tests.builders import finetune_job
from tests.integration.crds.jobs import NAMESPACE, Jobs

pytestmark = pytest.mark.cluster

CREDENTIALS = (
    "must not carry credentials: remove everything before '@' and any '?' part, and name a Secret in secretRef"
)
SECRET_NAME = (
    "must be the name of a Secret in this namespace (lower-case letters, digits, '-' and '.'), never the secret itself:"
    " store the value with `kubectl create secret generic NAME --from-literal=KEY=...`"
)
ANY_SOURCE = "must be hf://name or hf://organisation/name or s3://bucket/path or pvc://claim/path or job://finetunejob"
HUB_FORM = "must be hf://name or hf://organisation/name; put a branch, tag or commit into revision"


def data(**train: Any) -> dict[str, Any]:
    return {"train": train}


SOURCES = [
    (
        {"model": {"source": "https://host/model"}},
        f"spec.model.source: Invalid value: {ANY_SOURCE}; found https://host/model",
    ),
    ({"model": {"source": "hf://org/name/x"}}, f"spec.model.source: Invalid value: {HUB_FORM}; found hf://org/name/x"),
    (
        {"model": {"revision": "main"}},
        "spec.model.revision: Invalid value: applies to hf:// sources only; for s3:// and pvc:// put the version into"
        " the path; a job:// source is always what that job published last",
    ),
    (
        {"model": {"source": "pvc://My_Claim/model"}},
        "spec.model.source: Invalid value: must name a PersistentVolumeClaim after pvc:// (lower-case letters, digits,"
        " '-' and '.'); found pvc://My_Claim/model",
    ),
    (
        {"model": {"source": "pvc://claim/../other"}},
        "spec.model.source: Invalid value: must not have '.' or '..' between slashes; write the path out; found"
        " pvc://claim/../other",
    ),
    (
        {"output": {"destination": "hf://org/name"}},
        "spec.output.destination: Invalid value: must be s3://bucket/path or pvc://claim/path; found hf://org/name",
    ),
]

LITERAL_SECRETS = [
    ({"model": {"secretRef": {"name": "hf_abcdef"}}}, f"spec.model.secretRef.name: Invalid value: {SECRET_NAME}"),
    (
        {"output": {"secretRef": {"name": "AKIAIOSFODNN7EXAMPLE"}}},
        f"spec.output.secretRef.name: Invalid value: {SECRET_NAME}",
    ),
    ({"model": {"source": "s3://key:hf_abcdef@bucket/path"}}, f"spec.model.source: Invalid value: {CREDENTIALS}"),
    (
        {"output": {"destination": "s3://bucket/path?X-Amz-Signature=hf_abcdef"}},
        f"spec.output.destination: Invalid value: {CREDENTIALS}",
    ),
    (
        {"dataset": data(source="s3://key:hf_abcdef@bucket/train.csv")},
        f"spec.dataset.train.source: Invalid value: {CREDENTIALS}",
    ),
]

NUMBERS = [
    (
        {"training": {"maxSteps": -1}},
        "spec.training.maxSteps: Invalid value: -1: spec.training.maxSteps in body should be greater than or equal"
        " to 1",
    ),
    (
        {"training": {"epochs": 3, "maxSteps": 10}},
        "spec.training: Invalid value: set only one of epochs and maxSteps; both say when training ends",
    ),
    (
        {"training": {"batchSize": 4, "gradientAccumulationSteps": 2, "globalBatchSize": 10}},
        "spec.training.globalBatchSize: Invalid value: must equal batchSize x gradientAccumulationSteps; change one of"
        " the three or leave globalBatchSize out",
    ),
    (
        {"training": {"learningRate": 0}},
        "spec.training.learningRate: Invalid value: 0: spec.training.learningRate in body should be greater than 0",
    ),
    (
        {"training": {"epochs": "three"}},
        'spec.training.epochs: Invalid value: "string": spec.training.epochs in body must be of type number: "string"',
    ),
    (
        {"dataset": {"evaluation": {"fraction": 1}}},
        "spec.dataset.evaluation.fraction: Invalid value: 1: spec.dataset.evaluation.fraction in body should be less"
        " than 1",
    ),
    (
        {"dataset": {"limit": 0}},
        "spec.dataset.limit: Invalid value: 0: spec.dataset.limit in body should be greater than or equal to 1",
    ),
    (
        {"dataset": {"seed": 2**32}},
        "spec.dataset.seed: Invalid value: 4294967296: spec.dataset.seed in body should be less than or equal to"
        " 4294967295",
    ),
    (
        {"task": "Seq2Seq", "seq2Seq": {"numBeams": 0}},
        "spec.seq2Seq.numBeams: Invalid value: 0: spec.seq2Seq.numBeams in body should be greater than or equal to 1",
    ),
    (
        {"task": "Reward", "reward": {"centerRewardsCoefficient": 0}},
        "spec.reward.centerRewardsCoefficient: Invalid value: 0: spec.reward.centerRewardsCoefficient in body should be"
        " greater than 0",
    ),
    (
        {"maxRetries": 101},
        "spec.maxRetries: Invalid value: 101: spec.maxRetries in body should be less than or equal to 100",
    ),
]

MEMORY = "must be an amount of memory of at least 64Mi, with its unit, such as 8Gi"
RESOURCES = [
    (
        {"compute": {"gpus": 2}},
        "spec.compute.gpus: Invalid value: 2: spec.compute.gpus in body should be less than or equal to 1",
    ),
    ({"compute": {"memory": "8 GB"}}, f"spec.compute.memory: Invalid value: {MEMORY}; found 8 GB"),
    ({"compute": {"memory": 8}}, f"spec.compute.memory: Invalid value: {MEMORY}; found 8"),
    (
        {"serving": {"strategy": "Canary"}},
        'spec.serving.strategy: Unsupported value: "Canary": supported values: "RollingUpdate", "Recreate"',
    ),
    ({"serving": {"memory": "-8Gi"}}, f"spec.serving.memory: Invalid value: {MEMORY}; found -8Gi"),
    ({"compute": {"cpu": 0}}, "spec.compute.cpu: Invalid value: must be an amount of CPUs, such as 2 or 500m; found 0"),
    (
        {"storage": {"size": "big"}},
        "spec.storage.size: Invalid value: must be an amount of storage, with its unit, such as 20Gi; found big",
    ),
    (
        {"storage": {"existingClaim": "mine", "storageClassName": "fast"}},
        "spec.storage.storageClassName: Invalid value: is only for a claim that the operator creates; remove it or"
        " existingClaim",
    ),
    (
        {"compute": {"gpuResourceName": "gpu"}},
        'spec.compute.gpuResourceName: Invalid value: "gpu": spec.compute.gpuResourceName in body should match'
        " '^[a-z0-9]([-.a-z0-9]*[a-z0-9])?/[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$'",
    ),
    (
        {"compute": {"tolerations": [{"effect": "NoSchedule"}]}},
        "spec.compute.tolerations[0]: Invalid value: without a key needs operator: Exists",
    ),
    (
        {"compute": {"tolerations": [{"key": "gpu", "operator": "Exists", "value": "yes"}]}},
        "spec.compute.tolerations[0].value: Invalid value: is only for operator Equal",
    ),
    (
        {"compute": {"tolerations": [{"key": "gpu", "tolerationSeconds": 5}]}},
        "spec.compute.tolerations[0].tolerationSeconds: Invalid value: is only for effect: NoExecute",
    ),
]

SIZES = [
    (
        {"model": {"source": "s3://bucket/" + "a" * 1024}},
        "spec.model.source: Too long: may not be more than 1024 bytes",
    ),
    ({"dataset": {"template": "{a}" * 4000}}, "spec.dataset.template: Too long: may not be more than 8192 bytes"),
    (
        {"compute": {"nodeSelector": {f"key-{number}": "" for number in range(33)}}},
        "spec.compute.nodeSelector: Too many: 33: must have at most 32 items",
    ),
    (
        {"task": "SFT", "evaluation": {"samplePrompts": ["Once"] * 9}},
        "spec.evaluation.samplePrompts: Too many: 9: must have at most 8 items",
    ),
    ({"compute": {"memory": "1" * 33}}, "spec.compute.memory: Too long: may not be more than 32 bytes"),
]

MISSING = [({block: None}, f"spec.{block}: Required value") for block in ("model", "task", "dataset", "output")] + [
    ({"model": {"source": None}}, "spec.model.source: Required value"),
    ({"dataset": {"train": None}}, "spec.dataset.train: Required value"),
    ({"output": {"destination": None}}, "spec.output.destination: Required value"),
    ({"model": {"secretRef": {"name": None}}}, "spec.model.secretRef.name: Required value"),
]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *SOURCES,
        *LITERAL_SECRETS,
        *NUMBERS,
        *RESOURCES,
        *SIZES,
        *MISSING,
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_the_one_complaint_names_field_and_remedy(jobs: Jobs, change: dict[str, Any], message: str):
    assert jobs.refusal(finetune_job(namespace=NAMESPACE, **change)) == [message]


@pytest.mark.parametrize("change", [change for change, _ in LITERAL_SECRETS], ids=str)
def test_a_literal_secret_is_not_repeated(jobs: Jobs, change: dict[str, Any]):
    complaint = "\n".join(jobs.refusal(finetune_job(namespace=NAMESPACE, **change)))
    assert "hf_abcdef" not in complaint
    assert "AKIAIOSFODNN7EXAMPLE" not in complaint


def test_a_misspelt_field_is_refused_by_plain_kubectl_apply(jobs: Jobs):
    [complaint] = jobs.refusal(finetune_job(namespace=NAMESPACE, training={"learningrate": 0.1}))
    assert complaint.endswith('strict decoding error: unknown field "spec.training.learningrate"')


def test_a_fraction_of_a_cpu_as_a_number_is_told_apart_from_a_string(jobs: Jobs):
    complaints = jobs.refusal(finetune_job(namespace=NAMESPACE, compute={"cpu": 0.5}))
    assert (
        'spec.compute.cpu: Invalid value: "number": spec.compute.cpu in body must be of type integer,string: "number"'
    ) in complaints
    jobs.dry_run(finetune_job(namespace=NAMESPACE, compute={"cpu": "0.5"}))


def test_independent_mistakes_are_all_told_at_once(jobs: Jobs):
    change = {"tuning": {"lora": {}}, "training": {"epochs": 1, "maxSteps": 1}, "dataset": {"limit": 0}}
    fields = [complaint.partition(":")[0] for complaint in jobs.refusal(finetune_job(namespace=NAMESPACE, **change))]
    assert sorted(fields) == ["spec.dataset.limit", "spec.training", "spec.tuning.lora"]
