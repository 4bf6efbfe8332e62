"""Why a pod finds no node, in words that say what to do."""

import re

from finetune_api.compute import PodPlacement
from finetune_api.keys import Reason
from finetune_operator.kinds import Manifest
from finetune_operator.state.story import Problem

UNBOUND = "unbound immediate PersistentVolumeClaims"
_MISSING_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_UNBOUND = Problem(Reason.VOLUME_NOT_READY, "A volume of the pod is not bound yet. See: kubectl describe pvc")
_AFTERTHOUGHT = re.compile(r" (?:no new claims to deallocate|preemption:)")
_SHORT_OF = re.compile(r"(\d+) Insufficient ([^\s,.]+(?:\.[^\s,.]+)*)")


def missing_claim(name: str) -> Problem:
    """Return the problem of a claim that nobody made."""
    return Problem(Reason.VOLUME_NOT_READY, f"PersistentVolumeClaim {name} does not exist. Create it.")


def unschedulable(pod: Manifest, placement: PodPlacement, block: str) -> Problem | None:
    """Explain the scheduler's verdict on a pod; None when it has given none.

    block: the part of the spec that places the pod, such as spec.compute.
    """
    detail = verdict_of(pod)
    if detail is None:
        return None
    missing = _MISSING_CLAIM.search(detail)
    if missing:
        return missing_claim(missing[1])
    if UNBOUND in detail:
        return _UNBOUND
    advice = " ".join(_advice(detail, placement, block))
    return Problem(Reason.UNSCHEDULABLE, f"No node fits: {detail.rstrip('.')}. {advice}".strip())


def verdict_of(pod: Manifest) -> str | None:
    """Return the scheduler's own words about a pod that found no node."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    verdict = next((c for c in conditions if c.get("type") == "PodScheduled" and c.get("status") == "False"), None)
    if verdict is None or verdict.get("reason") not in ("Unschedulable", "SchedulerError"):
        return None
    return _AFTERTHOUGHT.split(str(verdict.get("message") or ""))[0].strip()


def waits_for_volume(verdict: Problem) -> bool:
    """Whether the pod only waits for a claim to be bound, which the claim itself can explain better."""
    return verdict is _UNBOUND


def _advice(detail: str, placement: PodPlacement, block: str) -> list[str]:
    asked = {"cpu": ("cpu", placement.cpu), "memory": ("memory", placement.memory)}
    asked[placement.gpu_resource_name] = ("gpus", placement.gpus)
    found = []
    for resource in dict.fromkeys(match[2] for match in _SHORT_OF.finditer(detail)):
        field, amount = asked.get(resource, ("", ""))
        ask = f"{block}.{field} asks for {amount} {resource}" if field else f"The pod asks for {resource}"
        found.append(f"{ask}; lower it, wait until it is free, or add a node.")
    if "didn't match Pod's node affinity/selector" in detail:
        fitting = f", or fits {block}.affinity" if placement.affinity else ""
        found.append(f"No node carries the labels of {block}.nodeSelector{fitting}.")
    if "untolerated taint" in detail:
        found.append(f"Tolerate the taint in {block}.tolerations.")
    if "topology spread constraints" in detail:
        found.append(f"{block}.topologySpreadConstraints leave no node: allow more maxSkew, or ScheduleAnyway.")
    if "didn't match pod affinity" in detail or "didn't match pod anti-affinity" in detail:
        found.append(f"{block}.affinity keeps the pod from the nodes where other pods are, or are not.")
    return found
