"""Looks, live, at the places where children are to be made: the cache may be behind, or a name may be taken."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

from finetune_api.keys import LABEL_JOB_UID
from finetune_operator.cluster.port import Cluster
from finetune_operator.kinds import JOB, POD, Kind, Manifest, kind_of
from finetune_operator.manifests import name_of, namespace_of, owner_uid, uid_of
from finetune_operator.state.observed import Observed


@dataclass(frozen=True)
class Found:
    """What is there already: children of the FineTuneJob, and objects of somebody else."""

    own: tuple[Manifest, ...] = ()
    foreign: tuple[Manifest, ...] = ()


async def look(cluster: Cluster, observed: Observed, applies: Iterable[Manifest]) -> Found:
    """Read what has the name of a child that is not known yet; before a first Job, also every Job and pod."""
    named = {(child["kind"], name_of(child)) for child in observed.children}
    missing = [child for child in applies if (child["kind"], name_of(child)) not in named]
    reads: list[Awaitable[list[Manifest]]] = [_namesake(cluster, child) for child in missing]
    if any(kind_of(child) == JOB for child in missing):
        reads += [_labelled(cluster, kind, observed.resource) for kind in (JOB, POD)]
    found = [live for page in await asyncio.gather(*reads) for live in page]
    uid = uid_of(observed.resource)
    return Found(
        own=tuple(live for live in found if owner_uid(live) == uid),
        foreign=tuple(live for live in found if owner_uid(live) != uid),
    )


async def _namesake(cluster: Cluster, child: Manifest) -> list[Manifest]:
    live = await cluster.get(kind_of(child), namespace_of(child), name_of(child))
    return [live] if live is not None else []


async def _labelled(cluster: Cluster, kind: Kind, resource: Manifest) -> list[Manifest]:
    return await cluster.list(kind, namespace_of(resource), labels=f"{LABEL_JOB_UID}={uid_of(resource)}")
