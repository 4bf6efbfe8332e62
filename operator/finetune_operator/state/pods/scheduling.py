"""Why a pod finds no node, in words that say what to do."""

import re

from finetune_api.keys import Reason
from finetune_api.spec.compute import PodPlacement
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of
from finetune_operator.state.status.story import Problem

UNBOUND = "unbound immediate PersistentVolumeClaims"
UNBOUND_IN_TIME = "binding volumes"
"""The scheduler has chosen a node, and waited ten minutes for a volume there."""
GATED = "SchedulingGated"
_MISSING_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_UNBOUND = Problem(Reason.VOLUME_NOT_READY, "A volume of the pod is not bound yet. See: kubectl describe pvc")
_ADVICE = (
    (
        "topology spread constraints",
        "{block}.topologySpreadConstraints leave no node: allow more maxSkew, or ScheduleAnyway.",
    ),
    ("didn't match pod affinity", "{block}.affinity keeps the pod from the nodes where other pods are not."),
    ("didn't match pod anti-affinity", "{block}.affinity keeps the pod from the nodes where other pods are."),
    ("were unschedulable", "Nodes are cordoned: kubectl uncordon them when they may be used."),
    ("Too many pods", "Nodes run as many pods as they may: wait, or add a node."),
    (
        "didn't match PersistentVolume's node affinity",
        "A volume of the pod is bound to other nodes than it may run on.",
    ),
    ("had volume node affinity conflict", "A volume of the pod is bound to other nodes than it may run on."),
    ("had no available volume zone", "A volume of the pod is in another zone than the nodes."),
    (
        "didn't find available persistent volumes to bind",
        "No volume can be had for its claim: see kubectl get pvc, pv.",
    ),
    ("did not have enough free storage", "No node has room for the volume: lower spec.storage.size, or add a node."),
    ("exceed max volume count", "Nodes have as many volumes as they can attach: wait, or add a node."),
    ("ReadWriteOncePod", "Another pod uses the claim, which only one pod may at a time: wait until that has ended."),
)
"""What to do, by what the scheduler says of the nodes."""
KUBERNETES_TAINTS = "node.kubernetes.io/"
_TAINT = re.compile(r"untolerated taint \{([^:=}\s]+)")
_AFTERTHOUGHT = re.compile(r" (?:no new claims to deallocate|preemption:)")
_SHORT_OF = re.compile(r"(\d+) Insufficient ([^\s,.]+(?:\.[^\s,.]+)*)")


def missing_claim(name: str) -> Problem:
    """Return the problem of a claim that nobody made."""
    return Problem(
        Reason.VOLUME_NOT_READY,
        f"PersistentVolumeClaim {name} does not exist. Create it, or mend the field that names it.",
    )


def claim_missed(message: str) -> str | None:
    """Return the claim that a message says is not there."""
    found = _MISSING_CLAIM.search(message)
    return found[1] if found else None


def gated(pod: Manifest) -> Problem | None:
    """Name the scheduling gates that keep a pod from the scheduler; None when it has none."""
    gates = [str(gate.get("name")) for gate in (pod.get("spec") or {}).get("schedulingGates") or ()]
    if not gates:
        return None
    words = f"Pod {name_of(pod)} may not be scheduled yet: its scheduling gates {', '.join(gates)} are closed."
    return Problem(Reason.SCHEDULING_GATED, f"{words} Whoever set them opens them, such as a queue when there is room.")


def unscheduled_for(pod: Manifest) -> Problem:
    """Say that neither a scheduler nor a provisioner has said anything of a pod; the claims may not be ours to see."""
    scheduler = (pod.get("spec") or {}).get("schedulerName") or "default-scheduler"
    since = pod["metadata"]["creationTimestamp"]
    words = f"Nothing has been heard of pod {name_of(pod)} since {since}: see that the scheduler {scheduler} runs"
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    claims = [found["claimName"] for volume in volumes if (found := volume.get("persistentVolumeClaim"))]
    words += f", and that its volumes are bound: kubectl get pvc {' '.join(claims)}" if claims else "."
    return Problem(Reason.UNSCHEDULABLE, words)


def unschedulable(pod: Manifest, placement: PodPlacement, block: str) -> Problem | None:
    """Explain the scheduler's verdict on a pod; None when it has given none.

    block: the part of the spec that places the pod, such as spec.compute.
    """
    detail = verdict_of(pod)
    if detail is None:
        return None
    missing = claim_missed(detail)
    if missing:
        return missing_claim(missing)
    if any(mark in detail for mark in (UNBOUND, UNBOUND_IN_TIME)):
        return _UNBOUND
    advice = " ".join(_advice(detail, placement, block))
    return Problem(Reason.UNSCHEDULABLE, f"No node fits: {detail.rstrip('.')}. {advice}".strip())


def verdict_of(pod: Manifest) -> str | None:
    """Return the scheduler's own words about a pod that found no node."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    verdict = next((c for c in conditions if c.get("type") == "PodScheduled" and c.get("status") == "False"), None)
    if verdict is None or verdict.get("reason") == GATED:
        return None
    return _AFTERTHOUGHT.split(str(verdict.get("message") or ""))[0].strip() or None


def waits_for_volume(verdict: Problem) -> bool:
    """Whether the pod only waits for a claim to be bound, which the claim itself can explain better."""
    return verdict is _UNBOUND


def _advice(detail: str, placement: PodPlacement, block: str) -> list[str]:
    asked: dict[str, tuple[str, object]] = {
        "cpu": ("cpu", placement.cpu),
        "memory": ("memory", placement.memory),
        "ephemeral-storage": ("ephemeralStorage", placement.ephemeral_storage),
    }
    asked[placement.gpu_resource_name] = ("gpus", placement.gpus)
    found = []
    for resource in dict.fromkeys(match[2] for match in _SHORT_OF.finditer(detail)):
        field, amount = asked.get(resource, ("", ""))
        ask = f"{block}.{field} asks for {amount} {resource}" if field else f"The pod asks for {resource}"
        node = f"node that has it (its name is {block}.gpuResourceName)" if field == "gpus" else "node"
        found.append(f"{ask}; lower it, wait until it is free, or add a {node}.")
    if "didn't match Pod's node affinity/selector" in detail:
        fitting = f", or fits {block}.affinity" if placement.affinity else ""
        found.append(f"No node carries the labels of {block}.nodeSelector{fitting}.")
    found += _taints(detail, block)
    return [*found, *(words.format(block=block) for mark, words in _ADVICE if mark in detail)]


def _taints(detail: str, block: str) -> list[str]:
    """Say what to do about taints: those of Kubernetes itself tell of a node's trouble, and are not to be tolerated."""
    if "untolerated taint" not in detail:
        return []
    keys = list(dict.fromkeys(_TAINT.findall(detail)))
    troubles = [key for key in keys if key.startswith(KUBERNETES_TAINTS)]
    found = [f"Nodes are in trouble ({', '.join(troubles)}): they have to recover."] if troubles else []
    return found if keys and len(troubles) == len(keys) else [*found, f"Tolerate the taint in {block}.tolerations."]
