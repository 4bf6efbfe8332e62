"""A node that no longer answers: its pods neither work nor end, and no one but a person can tell which."""

from datetime import datetime, timedelta

from finetune_api.keys import Reason
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import is_deleting, name_of, parse_time
from finetune_operator.state.pods import pods
from finetune_operator.state.status.story import Problem

PATIENCE = timedelta(seconds=60)
"""Time that a pod may take beyond its grace period before its end is overdue."""


def lost_node(pod: Manifest, now: datetime) -> Problem | None:
    """Say that the node of a pod that should run, or should have stopped, does not answer; None while it may."""
    if pods.is_over(pod) or not pods.is_scheduled(pod):
        return None
    if is_deleting(pod):
        return _never_ends(pod, now)
    since = _unready_since(pod)
    if since is None:
        return None
    words = f"Node {_node(pod)} has not answered since {since}, so nothing is known of pod {name_of(pod)}."
    return Problem(Reason.NODE_LOST, f"{words} Unless it comes back, the pod is removed after some minutes.")


def _never_ends(pod: Manifest, now: datetime) -> Problem | None:
    """Say that a pod should have ended long ago, and how to be rid of it."""
    due = pod["metadata"]["deletionTimestamp"]
    if now - parse_time(due) < PATIENCE:
        return None
    node, name = _node(pod), name_of(pod)
    return Problem(
        Reason.NODE_LOST,
        f"Pod {name} should have stopped by {due}, but node {node} has not confirmed it: it seems to be lost. Nothing"
        f" takes its place until it is gone. If the node is off for good: kubectl delete node {node}, or kubectl taint"
        f" node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute, or, only if nothing of the pod can"
        f" still run, kubectl delete pod {name} --force --grace-period=0",
    )


def _unready_since(pod: Manifest) -> str | None:
    """Return since when the node controller has called the pod unready: unlike the kubelet, it gives no reason."""
    ready = pods.condition_of(pod, "Ready") or {}
    if pods.phase_of(pod) != "Running" or ready.get("status") != "False" or ready.get("reason"):
        return None
    return str(ready.get("lastTransitionTime") or "") or None


def _node(pod: Manifest) -> str:
    return str((pod.get("spec") or {}).get("nodeName"))
