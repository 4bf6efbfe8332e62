"""The operator's Deployment and what stands beside it."""

from pathlib import Path

import pytest

from tests.integration.chart.helm import NAMESPACE, RELEASE, of_kind, operator_pod, rendered

SELECTOR = {"app.kubernetes.io/name": "finetune-operator", "app.kubernetes.io/instance": RELEASE}


def test_one_replica_may_be_evicted_and_keeps_away_from_nobody(tmp_path: Path) -> None:
    manifests = rendered(tmp_path)
    assert not of_kind(manifests, "PodDisruptionBudget")
    assert "affinity" not in operator_pod(manifests)["spec"]


def test_an_upgrade_finds_the_deployment_of_earlier_releases(tmp_path: Path) -> None:
    """A Deployment's name and selector cannot change: helm upgrade would fail, or leave two operators."""
    (deployment,) = of_kind(rendered(tmp_path, commonLabels={"cost-centre": "42"}), "Deployment")
    assert deployment["metadata"]["name"] == RELEASE
    assert deployment["spec"]["selector"] == {"matchLabels": SELECTOR}


def test_several_replicas_are_evicted_one_by_one_and_prefer_different_nodes(tmp_path: Path) -> None:
    manifests = rendered(tmp_path, replicas=2)
    (budget,) = of_kind(manifests, "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == {"matchLabels": SELECTOR}
    (preferred,) = operator_pod(manifests)["spec"]["affinity"]["podAntiAffinity"].values()
    assert preferred[0]["podAffinityTerm"] == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": SELECTOR},
    }
    own = rendered(tmp_path, replicas=2, affinity={"nodeAffinity": {}}, podDisruptionBudget={"enabled": False})
    assert operator_pod(own)["spec"]["affinity"] == {"nodeAffinity": {}}
    assert not of_kind(own, "PodDisruptionBudget")


def test_a_slow_start_is_no_death(tmp_path: Path) -> None:
    """On a busy node the first answer takes a while: until then, only the startup probe counts, for two minutes."""
    container = operator_pod(rendered(tmp_path))["spec"]["containers"][0]
    startup, liveness = container["startupProbe"], container["livenessProbe"]
    assert startup["httpGet"] == liveness["httpGet"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 120


def test_pod_options_reach_the_pod(tmp_path: Path) -> None:
    zone = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    pod = operator_pod(
        rendered(
            tmp_path,
            image={"repository": "registry.example/operator", "tag": "7", "digest": f"sha256:{'1' * 64}"},
            podLabels={"team": "ml", **dict.fromkeys(SELECTOR, "mine")},
            commonLabels={"cost-centre": "42"},
            podAnnotations={"note": "one"},
            priorityClassName="system-cluster-critical",
            topologySpreadConstraints=[zone],
            env=[{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
        )
    )
    assert pod["metadata"]["labels"].items() >= {"team": "ml", "cost-centre": "42", **SELECTOR}.items()
    assert pod["metadata"]["annotations"] == {"note": "one"}
    assert pod["spec"]["priorityClassName"] == "system-cluster-critical"
    assert pod["spec"]["topologySpreadConstraints"] == [{**zone, "labelSelector": {"matchLabels": SELECTOR}}]
    container = pod["spec"]["containers"][0]
    assert container["image"] == f"registry.example/operator@sha256:{'1' * 64}"
    assert container["env"][-1] == {"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}


@pytest.mark.parametrize("create", [True, False], ids=["made", "named"])
def test_rights_are_bound_to_the_service_account_that_is_used(tmp_path: Path, create: bool) -> None:
    manifests = rendered(tmp_path, serviceAccount={"create": create, "name": "robot", "annotations": {"cloud": "role"}})
    made = {account["metadata"]["name"]: account["metadata"]["annotations"]
            for account in of_kind(manifests, "ServiceAccount")
            if "helm.sh/hook" not in account["metadata"].get("annotations", {})}  # fmt: skip
    assert made == ({"robot": {"cloud": "role"}} if create else {})
    assert operator_pod(manifests)["spec"]["serviceAccountName"] == "robot"
    bindings = of_kind(manifests, "ClusterRoleBinding") + of_kind(manifests, "RoleBinding")
    ours = [binding for binding in bindings if "helm.sh/hook" not in binding["metadata"].get("annotations", {})]
    assert len(ours) == 2
    assert all(
        binding["subjects"] == [{"kind": "ServiceAccount", "name": "robot", "namespace": NAMESPACE}] for binding in ours
    )


@pytest.mark.parametrize("identity", ["Fixed", "Assigned"])
def test_the_pod_is_restricted_whoever_chooses_its_user(tmp_path: Path, identity: str) -> None:
    pod = operator_pod(rendered(tmp_path, securityContext={"identity": identity}))["spec"]
    fixed = {"runAsUser": 1000, "runAsGroup": 1000} if identity == "Fixed" else {}
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        **fixed,
    }
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("namespaces", [[], ["one"]], ids=["everywhere", "in-namespaces"])
def test_no_role_reaches_secrets(tmp_path: Path, namespaces: list[str]) -> None:
    manifests = rendered(tmp_path, watchNamespaces=namespaces, customCode=True, metrics=MONITORED)
    roles = of_kind(manifests, "ClusterRole") + of_kind(manifests, "Role")
    rules = [rule for role in roles for rule in role["rules"]]
    assert len(rules) > 10
    reached = {resource for rule in rules for resource in rule["resources"]} | {
        group for rule in rules for group in rule["apiGroups"]
    }
    assert not reached & {"secrets", "*"}


MONITORED = {name: {"enabled": True} for name in ("serviceMonitor", "podMonitor", "prometheusRule", "dashboards")}
