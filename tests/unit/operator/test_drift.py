"""What was applied and what became of it: webhooks and additions of others are tolerated, changes are not."""

from copy import deepcopy

import pytest

from finetune_operator.kinds import Manifest
from finetune_operator.managed_fields import lost, suspender, trimmed
from finetune_operator.state.children.drift import differs, stamped

WANTED = stamped(
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x", "namespace": "default", "labels": {"a": "1"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"a": "1"}},
            "template": {
                "spec": {
                    "nodeSelector": {"disk": "fast"},
                    "volumes": [{"name": "scratch", "emptyDir": {}}],
                    "containers": [
                        {
                            "name": "server",
                            "image": "trainer:1",
                            "args": ["serve"],
                            "resources": {"requests": {"cpu": ".5", "memory": "1.5e9"}},
                            "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
                        }
                    ],
                }
            },
        },
    }
)
SERVER = 'k:{"name":"server"}'
# As the API server records it: a set as a whole ({}), a struct by field, a list of named items by its merge keys.
OURS: Manifest = {
    "manager": "finetune-operator",
    "operation": "Apply",
    "fieldsV1": {
        "f:metadata": {"f:annotations": {"f:finetune.dev/applied": {}}, "f:labels": {"f:a": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:spec": {
                    "f:nodeSelector": {},
                    "f:volumes": {'k:{"name":"scratch"}': {".": {}, "f:emptyDir": {}, "f:name": {}}},
                    "f:containers": {
                        SERVER: {
                            ".": {},
                            "f:name": {},
                            "f:image": {},
                            "f:args": {},
                            "f:resources": {"f:requests": {"f:cpu": {}, "f:memory": {}}},
                            "f:ports": {
                                'k:{"containerPort":8000,"protocol":"TCP"}': {
                                    ".": {},
                                    "f:name": {},
                                    "f:containerPort": {},
                                    "f:protocol": {},
                                }
                            },
                        }
                    },
                }
            },
        },
    },
}


def applied() -> Manifest:
    live = deepcopy(WANTED)
    live["metadata"]["managedFields"] = [deepcopy(OURS)]
    return live


def container(live: Manifest) -> Manifest:
    found: Manifest = live["spec"]["template"]["spec"]["containers"][0]
    return found


def take(live: Manifest, manager: str, *steps: str) -> Manifest:
    """Let somebody else change a field: the API server takes it from our record, and puts it in theirs."""
    ours, theirs = live["metadata"]["managedFields"][0]["fieldsV1"], {}
    live["metadata"]["managedFields"].append({"manager": manager, "fieldsV1": theirs})
    places = [ours]
    for step in steps[:-1]:
        places.append(places[-1][step])
        theirs = theirs.setdefault(step, {})
    theirs[steps[-1]] = places[-1].pop(steps[-1])
    for place, step in reversed(list(zip(places, steps, strict=False))):
        if place.get(step) == {} and step != steps[-1]:
            del place[step]
    return live


def test_what_was_applied_does_not_differ() -> None:
    assert not differs(WANTED, applied())


def test_what_admission_makes_of_it_is_tolerated() -> None:
    """A webhook's changes are in no record: what it changed is still ours, what it added is nobody's."""
    live = applied()
    container(live)["image"] = "mirror.local/trainer:1"
    container(live)["resources"] = {"requests": {"cpu": "500m", "memory": "1500M"}, "limits": {"cpu": "2"}}
    live["spec"]["template"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "proxy"})
    live["metadata"]["labels"]["a"] = "2"
    assert not differs(WANTED, live)


def test_items_of_others_in_our_lists_are_theirs() -> None:
    live = applied()
    container(live)["ports"].append({"name": "metrics", "containerPort": 9000, "protocol": "TCP"})
    container(live)["env"] = [{"name": "DEBUG", "value": "1"}]
    ports = {'k:{"containerPort":9000,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}
    theirs = {"f:spec": {"f:template": {"f:spec": {"f:containers": {SERVER: {"f:ports": ports, "f:env": {}}}}}}}
    live["metadata"]["managedFields"].append({"manager": "kubectl-edit", "fieldsV1": theirs})
    assert not differs(WANTED, live)


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        (("f:spec", "f:replicas"), "spec.replicas"),
        (("f:metadata", "f:labels", "f:a"), "metadata.labels.a"),
        (("f:spec", "f:template", "f:spec", "f:nodeSelector"), "spec.template.spec.nodeSelector"),
        (
            ("f:spec", "f:template", "f:spec", "f:containers", SERVER, "f:image"),
            "spec.template.spec.containers[server].image",
        ),
        (
            ("f:spec", "f:template", "f:spec", "f:containers", SERVER, "f:resources", "f:requests", "f:cpu"),
            "spec.template.spec.containers[server].resources.requests.cpu",
        ),
    ],
)
def test_field_that_somebody_changes_is_named_with_who_did(steps: tuple[str, ...], field: str) -> None:
    live = take(applied(), "kubectl-scale", *steps)
    assert differs(WANTED, live)
    (found,) = lost(WANTED, live)
    assert (found.field, found.taken_by) == (field, ("kubectl-scale",))


def test_field_that_somebody_removes_is_named() -> None:
    live = applied()
    del live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:volumes"]
    (found,) = lost(WANTED, live)
    assert (found.field, found.taken_by) == ("spec.template.spec.volumes", ())


def test_object_without_a_record_is_applied_again() -> None:
    assert differs(WANTED, deepcopy(WANTED))


def test_field_that_is_no_longer_set_changes_the_stamp() -> None:
    manifest: Manifest = {**WANTED, "spec": {**WANTED["spec"]}}
    del manifest["spec"]["replicas"]
    assert differs(stamped(manifest), applied())


def test_cache_keeps_of_the_record_what_is_asked_for() -> None:
    live = applied()
    status = {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:status": {}}}
    live["metadata"]["managedFields"].append(status)
    assert trimmed(live)["metadata"]["managedFields"] == [OURS]
    assert "managedFields" not in trimmed({**live, "apiVersion": "v1", "kind": "Pod"})["metadata"]
    job: Manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}}
    spec = {"f:spec": {"f:suspend": {}, "f:parallelism": {}}}
    job["metadata"]["managedFields"] = [{"manager": "kueue", "fieldsV1": spec}, OURS]
    assert suspender(trimmed(job)) == "kueue"
    assert trimmed(job)["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {"f:suspend": {}}}
