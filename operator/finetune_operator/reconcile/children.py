"""Makes children without ever touching what belongs to somebody else, and never a second training Job."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

from finetune_api.keys import LABEL_JOB_UID, LABEL_MANAGED_BY, MANAGED_BY
from finetune_operator.cluster.port import Cluster
from finetune_operator.errors import Conflict
from finetune_operator.kinds import CLAIM, CONFIG_MAP, JOB, POD, Kind, Manifest, kind_of
from finetune_operator.manifests import controller_of, name_of, namespace_of, owner_uid, uid_of
from finetune_operator.state.observed import Observed

CREATED = (CONFIG_MAP, CLAIM, JOB)
"""Kinds that come into being by a create, which is refused where the name is taken: one request instead of two.

The others are applied from the start: fields that are set no more vanish only from what an apply has set.
"""
LABEL_CONTROLLER_UID = "batch.kubernetes.io/controller-uid"


class NameTaken(Exception):
    """An object of somebody else has the name of a child."""

    def __init__(self, live: Manifest) -> None:
        super().__init__(f"{live['kind']} {name_of(live)}")
        self.live = live


@dataclass(frozen=True)
class Found:
    """What is there already: children of the FineTuneJob, and objects of somebody else."""

    own: tuple[Manifest, ...] = ()
    foreign: tuple[Manifest, ...] = ()


async def look(cluster: Cluster, observed: Observed, applies: Iterable[Manifest]) -> Found:
    """Read live what has the name of a child to be applied first; before a training Job, every Job and pod."""
    named = {(child["kind"], name_of(child)) for child in observed.children}
    missing = [child for child in applies if (child["kind"], name_of(child)) not in named]
    namesakes = await _gather(_namesake(cluster, child) for child in missing if kind_of(child) not in CREATED)
    own = [live for live in namesakes if owner_uid(live) == uid_of(observed.resource)]
    if lacks_job(observed) or any(kind_of(child) == JOB for child in missing):
        own += await _training(cluster, observed)
    return Found(own=tuple(own), foreign=tuple(live for live in namesakes if live not in own))


def lacks_job(observed: Observed) -> bool:
    """Whether the status tells of a run that goes on, and no Job is known: somebody may have taken its labels."""
    run = (observed.resource.get("status") or {}).get("run") or {}
    return bool(run.get("startedAt")) and not run.get("finishedAt") and not (observed.jobs or observed.departed)


async def unseen_pods(cluster: Cluster, observed: Observed) -> list[Manifest]:
    """Read the pods of the run's Job where it tells of some and none is known: somebody may have taken their labels."""
    run = (observed.resource.get("status") or {}).get("run") or {}
    if run.get("finishedAt"):
        return []
    made = {(controller_of(pod) or {}).get("uid") for pod in (*observed.of_kind(POD), *observed.departed)}
    uids = [uid_of(job) for job in observed.jobs if _has_pods(job) and uid_of(job) not in made]
    return await _pods_of(cluster, observed.resource, uids)


async def put_in_place(cluster: Cluster, child: Manifest, *, is_new: bool) -> Manifest:
    """Create or apply a child; return it as it is now. Raises NameTaken, or Refused by quota or admission."""
    if not (is_new and kind_of(child) in CREATED):
        # Without force, a namesake that somebody made this very moment is a conflict, not a victim.
        return await cluster.apply(child, force=not is_new)
    try:
        return await cluster.create(child)
    except Conflict:
        for live in await _namesake(cluster, child):
            if owner_uid(live) != owner_uid(child):
                raise NameTaken(live) from None
            return live
        raise


async def _namesake(cluster: Cluster, child: Manifest) -> list[Manifest]:
    live = await cluster.get(kind_of(child), namespace_of(child), name_of(child))
    return [live] if live is not None else []


async def _training(cluster: Cluster, observed: Observed) -> list[Manifest]:
    """Read all training Jobs and their pods: by label and, for a policy tool may have changed those, by owner."""
    resource = observed.resource
    uid = uid_of(resource)
    labelled, astray, pods = await asyncio.gather(
        _labelled(cluster, JOB, resource), _astray(cluster, resource), _labelled(cluster, POD, resource)
    )
    jobs = [*(job for job in labelled if owner_uid(job) == uid), *astray]
    pods += await _pods_of(cluster, resource, [uid_of(job) for job in astray])
    return [*jobs, *pods]


async def _labelled(cluster: Cluster, kind: Kind, resource: Manifest) -> list[Manifest]:
    return await cluster.list(kind, namespace_of(resource), labels=f"{LABEL_JOB_UID}={uid_of(resource)}")


async def _astray(cluster: Cluster, resource: Manifest) -> list[Manifest]:
    """Read the Jobs that somebody took our labels from. A FineTuneJob that never made one cannot have any."""
    if not (resource.get("status") or {}).get("workspace"):
        return []
    heads = await cluster.heads(JOB, namespace_of(resource), labels=f"{LABEL_MANAGED_BY}!={MANAGED_BY}")
    found = await _gather(_namesake(cluster, head) for head in heads if owner_uid(head) == uid_of(resource))
    return [job for job in found if owner_uid(job) == uid_of(resource)]


async def _pods_of(cluster: Cluster, resource: Manifest, job_uids: list[str]) -> list[Manifest]:
    """Read pods by the label by which the Job controller knows them."""
    if not job_uids:
        return []
    labels = f"{LABEL_CONTROLLER_UID} in ({','.join(job_uids)})"
    return await cluster.list(POD, namespace_of(resource), labels=labels)


def _has_pods(job: Manifest) -> bool:
    status = job.get("status") or {}
    return any(status.get(count) for count in ("active", "succeeded", "failed"))


async def _gather(reads: Iterable[Awaitable[list[Manifest]]]) -> list[Manifest]:
    return [live for page in await asyncio.gather(*reads) for live in page]
