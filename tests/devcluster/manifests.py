"""The objects that these tests put into a cluster."""

from typing import Any

RESTRICTED = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "restricted", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "workspace", "namespace": "restricted"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "files", "namespace": "restricted"},
    "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]},
}


def pod(name: str, code: str, *, gpus: int = 0, **spec: Any) -> dict[str, Any]:
    """A pod that may do nothing special, with the claim at /workspace, running Python code."""
    container = {
        "name": "main",
        "image": "finetune.dev/trainer:dev",
        "command": ["python", "-c", code],
        "env": [{"name": "TMPDIR", "value": "/scratch"}],
        "envFrom": [{"secretRef": {"name": "s3"}}],
        "resources": {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {},
        "volumeMounts": [
            {"name": "workspace", "mountPath": "/workspace"},
            {"name": "scratch", "mountPath": "/scratch"},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    user = {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    volumes = [
        {"name": "workspace", "persistentVolumeClaim": {"claimName": "workspace"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "restricted", "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": user,
            "containers": [container],
            "volumes": volumes,
            **spec,
        },
    }
