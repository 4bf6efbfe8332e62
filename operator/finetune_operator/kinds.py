"""The Kubernetes kinds that the operator reads or writes."""

from dataclasses import dataclass
from typing import Any

import finetune_api

Manifest = dict[str, Any]
"""An object as the API server speaks it: plain data, never a client library's model."""


@dataclass(frozen=True)
class Kind:
    """One kind: its API group (empty for core), version, plural and kind name."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """The value of apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Return the URL path of one object, or of the collection (of all namespaces when None)."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        scope = f"{root}/namespaces/{namespace}" if namespace else root
        return f"{scope}/{self.plural}/{name}" if name else f"{scope}/{self.plural}"


FINETUNE_JOB = Kind(finetune_api.GROUP, finetune_api.VERSION, finetune_api.PLURAL, finetune_api.KIND)
JOB = Kind("batch", "v1", "jobs", "Job")
POD = Kind("", "v1", "pods", "Pod")
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap")
CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
SERVICE = Kind("", "v1", "services", "Service")
DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
CORE_EVENT = Kind("", "v1", "events", "Event")
EVENT = Kind("events.k8s.io", "v1", "events", "Event")
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")

CHILDREN = (CONFIG_MAP, CLAIM, JOB, POD, DEPLOYMENT, SERVICE, DISRUPTION_BUDGET)
"""Kinds that belong to a FineTuneJob; watched by the managed-by label."""

_BY_NAME = {(kind.api_version, kind.kind): kind for kind in (FINETUNE_JOB, *CHILDREN, EVENT, LEASE)}


def kind_of(manifest: Manifest) -> Kind:
    """Return the kind of an object that carries apiVersion and kind."""
    return _BY_NAME[manifest["apiVersion"], manifest["kind"]]
