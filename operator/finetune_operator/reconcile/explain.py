"""Reads the Events that explain why something does not get on; nothing is read while all is well."""

import asyncio
from datetime import datetime, timedelta

from finetune_operator.cluster.port import Cluster
from finetune_operator.kinds import CORE_EVENT, Manifest
from finetune_operator.manifests import namespace_of, parse_time, uid_of
from finetune_operator.state.inquiry import inquiries
from finetune_operator.state.observed import Observed

PATIENCE = timedelta(seconds=2)


async def read_events(cluster: Cluster, observed: Observed, now: datetime) -> tuple[Manifest, ...]:
    """Return the core/v1 Events about Jobs, pods and claims that have been waiting for more than a moment."""
    waiting = [found for found in inquiries(observed) if now - _created(found) >= PATIENCE]
    reads = [
        cluster.list(CORE_EVENT, namespace_of(found), fields=f"involvedObject.uid={uid_of(found)}") for found in waiting
    ]
    pages = await asyncio.gather(*reads)
    return tuple(event for page in pages for event in page)


def _created(manifest: Manifest) -> datetime:
    return parse_time(manifest["metadata"]["creationTimestamp"])
