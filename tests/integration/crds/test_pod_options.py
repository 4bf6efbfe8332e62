"""Options of the pods: what the API server refuses, and that the pods made from what it accepts are admitted."""

from typing import Any

import pytest

from finetune_api.keys import MANAGED_BY
from finetune_api.spec.job import FineTuneJobSpec
from finetune_api.status import ArtifactStatus
from finetune_operator.desired.deployment import deployment
from finetune_operator.desired.training_job import training_job
from finetune_operator.resource.fine_tune_job import parse_resource
from finetune_operator.state.children.drift import differs, stamped
from tests.builders import Manifest, finetune_job
from tests.integration.crds.jobs import NAMESPACE, Jobs

pytestmark = pytest.mark.cluster

SECRET = "must not hold a secret, which all who may read this job would see: store it in a Secret, and name that in"
ARTIFACT = ArtifactStatus(run="run1", uri="s3://finetune/published/run1", digest="sha256:1")
EVERYTHING: Manifest = {
    "serviceAccountName": "trainer",
    "imagePullSecrets": [{"name": "registry"}],
    "imagePullPolicy": "Always",
    "env": [
        {"name": "AWS_REGION", "value": "eu-central-1"},
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
        {"name": "SITE", "valueFrom": {"configMapKeyRef": {"name": "site", "key": "name"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "site"}}, {"prefix": "S_", "secretRef": {"name": "more"}}],
    "caBundle": {"configMapKeyRef": {"name": "authorities", "key": "ca.crt"}},
    "proxy": {"httpProxy": "http://proxy:3128", "httpsProxy": "http://[fd00::1]:3128", "noProxy": ".example, 10.0.0.1"},
    "labels": {"team": "nlp", "azure.workload.identity/use": "true"},
    "annotations": {"example.org/cost-centre": "42 (research)"},
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["a100", "h100"]}]}
                ]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 10, "preference": {"matchExpressions": [{"key": "spot", "operator": "DoesNotExist"}]}}
            ],
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "podAffinityTerm": {
                        "labelSelector": {"matchLabels": {"team": "nlp"}},
                        "topologyKey": "kubernetes.io/hostname",
                    },
                }
            ]
        },
    },
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "schedulerName": "volcano",
    "priorityClassName": "high",
    "runtimeClassName": "nvidia",
    "securityContext": {
        "runAsUser": 2000,
        "fsGroup": 3000,
        "supplementalGroups": [4000],
        "seLinuxOptions": {"level": "s0:c1,c2"},
    },
    "limits": {"cpu": 4, "memory": "8Gi", "rdma/hca": "1"},
    "ephemeralStorage": "50Gi",
    "sharedMemory": "1Gi",
    "terminationGracePeriodSeconds": 300,
}
OPTIONS = {
    "everything": EVERYTHING,
    "nothing": {},
    "ids of the cluster": {"securityContext": {"identity": "Assigned"}},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_pods_with_any_options_are_admitted_by_the_restricted_standard(jobs: Jobs, options: Manifest):
    jobs.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    manifest = finetune_job("job", NAMESPACE, compute=options, serving={"enabled": True, **options})
    stored = jobs.dry_run(manifest)
    assert stored["spec"] == FineTuneJobSpec.model_validate(manifest["spec"]).to_wire()
    job = parse_resource({**stored, "metadata": {**stored["metadata"], "uid": "uid-1"}})
    for owner in (training_job(job, "trainer:1", deadline_seconds=0), deployment(job, ARTIFACT, "trainer:1")):
        assert jobs.dry_run(owner)["spec"]["template"]["spec"]["volumes"]
        head = {"name": "pod", "namespace": NAMESPACE, **owner["spec"]["template"]["metadata"]}
        account = {"serviceAccountName": "default", "serviceAccount": "default", "priorityClassName": None}
        spec = {**owner["spec"]["template"]["spec"], **account, "runtimeClassName": None}
        jobs.dry_run({"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": spec})


def test_a_deployment_with_all_options_stays_as_applied_and_loses_them_with_the_spec(jobs: Jobs):
    def applied(options: Manifest) -> tuple[Manifest, Manifest]:
        manifest = finetune_job("job", NAMESPACE, serving={"enabled": True, "replicas": 0, **options})
        manifest["metadata"]["uid"] = "uid-1"
        made = deployment(parse_resource(manifest), ARTIFACT, "trainer:1")
        made["metadata"].pop("ownerReferences")  # Its owner is not stored, so it would be collected as garbage.
        wanted = stamped(made)
        return wanted, jobs.apply(wanted, "--server-side", f"--field-manager={MANAGED_BY}", "--show-managed-fields")

    plain, _ = applied({})
    wanted, live = applied(EVERYTHING | {"sharedMemory": "1024Mi", "ephemeralStorage": "1e9"})
    assert not differs(wanted, live)
    wanted, live = applied({})
    assert wanted == plain
    assert not differs(wanted, live)
    spec = live["spec"]["template"]["spec"]
    own = {"containers", "initContainers", "volumes", "securityContext", "enableServiceLinks"}
    of_the_api_server = {"dnsPolicy", "restartPolicy", "schedulerName", "terminationGracePeriodSeconds"}
    assert spec.keys() == own | of_the_api_server | {"automountServiceAccountToken"}
    assert [variable["name"] for variable in spec["containers"][0]["env"]] == ["HOME", "TMPDIR", "OMP_WAIT_POLICY"]
    jobs.kubectl("delete", "deployment", live["metadata"]["name"])


REFUSED: list[tuple[Manifest, str]] = [
    (
        {"env": [{"name": "HF_TOKEN", "value": "abc"}]},
        f"env[0].value: Invalid value: {SECRET} valueFrom.secretKeyRef",
    ),
    (
        {"env": [{"name": "TOKENIZERS_PARALLELISM", "value": "hf_" + "a" * 30}]},
        f"env[0].value: Invalid value: {SECRET} valueFrom.secretKeyRef",
    ),
    (
        {"env": [{"name": "HTTPS_PROXY", "value": "http://me:password@proxy"}]},
        f"env[0].value: Invalid value: {SECRET} valueFrom.secretKeyRef",
    ),
    (
        {"env": [{"name": "HOME", "value": "/root"}]},
        "env[0].name: Forbidden: must not be one of HOME, TMPDIR, OMP_WAIT_POLICY, PATH, PYTHONPATH, PYTHONHOME,"
        " LD_PRELOAD, which the operator and the image set; remove it",
    ),
    ({"env": [{"name": "A"}]}, "env[0]: Invalid value: set exactly one of value and valueFrom"),
    (
        {"env": [{"name": "A", "valueFrom": {}}]},
        "env[0].valueFrom: Invalid value: set exactly one of secretKeyRef, configMapKeyRef and fieldRef",
    ),
    (
        {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        'env[1]: Duplicate value: {"name":"A"}',
    ),
    ({"envFrom": [{}]}, "envFrom[0]: Invalid value: set exactly one of secretRef and configMapRef"),
    ({"caBundle": {}}, "caBundle: Invalid value: set exactly one of configMapKeyRef and secretKeyRef"),
    (
        {"labels": {"finetune.dev/run": "x"}},
        "labels: Forbidden: must not have keys that the operator or Kubernetes sets: finetune.dev/*,"
        " app.kubernetes.io/*, batch.kubernetes.io/*, job-name, controller-uid, pod-template-hash; remove them",
    ),
    (
        {"annotations": {"finetune.dev/launch": "x"}},
        "annotations: Forbidden: must not have keys that the operator sets: finetune.dev/*; remove them",
    ),
    ({"limits": {"cpu": "many"}}, "limits: Invalid value: must be amounts, such as cpu: 4 or memory: 16Gi"),
    ({"limits": {"memory": "1Gi"}}, "limits: Invalid value: must not have less memory than memory requests"),
    ({"cpu": 4, "limits": {"cpu": "3500m"}}, "limits: Invalid value: must not have less cpu than cpu requests"),
    (
        {"ephemeralStorage": "2Gi", "limits": {"ephemeral-storage": "1Gi"}},
        "limits: Invalid value: must not have less ephemeral-storage than ephemeralStorage requests",
    ),
    (
        {"limits": {"nvidia.com/gpu": 1}},
        "limits: Invalid value: must not have the GPU's resource: gpus is its request and its limit",
    ),
    ({"sharedMemory": "5Gi"}, "sharedMemory: Invalid value: must not be above memory, of which it is a part"),
    (
        {"sharedMemory": "much"},
        "sharedMemory: Invalid value: must be an amount of memory, with its unit, such as 1Gi; found much",
    ),
    (
        {"securityContext": {"runAsUser": 0}},
        "securityContext.runAsUser: Invalid value: 0: spec.BLOCK.securityContext.runAsUser in body should be greater"
        " than or equal to 1",
    ),
    (
        {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]},
        "topologySpreadConstraints[0].whenUnsatisfiable: Required value",
    ),
]


@pytest.mark.parametrize(("options", "complaint"), REFUSED, ids=[str(options)[:60] for options, _ in REFUSED])
def test_options_that_cannot_work_are_refused(jobs: Jobs, options: dict[str, Any], complaint: str):
    told = [*jobs.refusal(finetune_job("job", NAMESPACE, compute=options))]
    assert f"spec.compute.{complaint}".replace("BLOCK", "compute") in told


@pytest.mark.parametrize(
    ("storage", "complaint"),
    [
        (
            {"existingClaim": "mine", "accessModes": ["ReadWriteMany"]},
            "spec.storage.accessModes: Invalid value: is only for a claim that the operator creates; remove it or"
            " existingClaim",
        ),
        (
            {"accessModes": ["ReadWriteMany", "ReadWriteMany"]},
            'spec.storage.accessModes[1]: Duplicate value: "ReadWriteMany"',
        ),
    ],
    ids=str,
)
def test_access_modes_are_those_of_a_claim_that_the_operator_makes(jobs: Jobs, storage: Manifest, complaint: str):
    assert complaint in jobs.refusal(finetune_job("job", NAMESPACE, storage=storage))


def test_serving_pods_are_checked_alike(jobs: Jobs):
    told = jobs.refusal(finetune_job("job", NAMESPACE, serving={"env": [{"name": "HF_TOKEN", "value": "abc"}]}))
    assert told == [f"spec.serving.env[0].value: Invalid value: {SECRET} valueFrom.secretKeyRef"]
