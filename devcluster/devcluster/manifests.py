"""The objects that a fresh cluster gets, each with the path that it is applied at."""

from collections.abc import Iterator

from .api import Object

PROVISIONER = "finetune.dev/folder"


def cluster_objects() -> Iterator[tuple[str, Object]]:
    """Storage, the runtimes, and what the DNS server and the volume provisioner may do."""
    yield _storage_class()
    for runtime in ("checkout", "plain"):
        yield _runtime_class(runtime)
    yield _dns_role()
    yield _binding("devcluster:coredns", "devcluster:coredns", "devcluster-coredns")
    yield _binding("devcluster:volumes", "system:persistent-volume-provisioner", "devcluster-volume-provisioner")


def _storage_class() -> tuple[str, Object]:
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    return "/apis/storage.k8s.io/v1/storageclasses/standard", body


def _runtime_class(name: str) -> tuple[str, Object]:
    body = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name}
    return f"/apis/node.k8s.io/v1/runtimeclasses/{name}", body


def _dns_role() -> tuple[str, Object]:
    rules = [
        {"apiGroups": [""], "resources": ["services", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    return _rbac("clusterroles", "ClusterRole", "devcluster:coredns", {"rules": rules})


def _binding(name: str, role: str, user: str) -> tuple[str, Object]:
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
    content = {"roleRef": role_ref, "subjects": subjects}
    return _rbac("clusterrolebindings", "ClusterRoleBinding", name, content)


def _rbac(plural: str, kind: str, name: str, content: Object) -> tuple[str, Object]:
    body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, **content}
    return f"/apis/rbac.authorization.k8s.io/v1/{plural}/{name}", body
