"""Makes children without ever touching what belongs to somebody else, and never a second training Job."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

from finetune_api.keys import LABEL_JOB_UID
from finetune_operator.cluster.port import Cluster
from finetune_operator.errors import Conflict
from finetune_operator.kinds import CLAIM, CONFIG_MAP, JOB, POD, Kind, Manifest, kind_of
from finetune_operator.manifests import name_of, namespace_of, owner_uid, uid_of
from finetune_operator.state.observed import Observed

CREATED = (CONFIG_MAP, CLAIM, JOB)
"""Kinds that come into being by a create, which is refused where the name is taken: one request instead of two.

The others are applied from the start: fields that are set no more vanish only from what an apply has set.
"""


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
    reads: list[Awaitable[list[Manifest]]] = [
        _namesake(cluster, child) for child in missing if kind_of(child) not in CREATED
    ]
    if any(kind_of(child) == JOB for child in missing):
        reads += [_labelled(cluster, kind, observed.resource) for kind in (JOB, POD)]
    found = [live for page in await asyncio.gather(*reads) for live in page]
    uid = uid_of(observed.resource)
    return Found(
        own=tuple(live for live in found if owner_uid(live) == uid),
        foreign=tuple(live for live in found if owner_uid(live) != uid),
    )


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


async def _labelled(cluster: Cluster, kind: Kind, resource: Manifest) -> list[Manifest]:
    return await cluster.list(kind, namespace_of(resource), labels=f"{LABEL_JOB_UID}={uid_of(resource)}")
