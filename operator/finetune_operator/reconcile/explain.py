"""Reads the Events that explain why something does not get on; nothing is read while all is well."""

import asyncio
import logging
from datetime import datetime, timedelta

from finetune_operator.cluster.port import Cluster
from finetune_operator.errors import Refused
from finetune_operator.kinds import CORE_EVENT, Manifest
from finetune_operator.logs import fields
from finetune_operator.manifests import namespace_of, parse_time, uid_of
from finetune_operator.state.inquiry import inquiries
from finetune_operator.state.observed import Observed

logger = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=2)


async def read_events(cluster: Cluster, observed: Observed, now: datetime) -> tuple[Manifest, ...]:
    """Return the core/v1 Events about Jobs, pods and claims that have been waiting for more than a moment.

    They only explain: none where they may not be read.
    """
    waiting = [found for found in inquiries(observed) if now - _created(found) >= PATIENCE]
    reads = [
        cluster.list(CORE_EVENT, namespace_of(found), fields=f"involvedObject.uid={uid_of(found)}") for found in waiting
    ]
    try:
        pages = await asyncio.gather(*reads)
    except Refused as error:
        logger.warning("cannot read events", extra=fields(why=error))
        return ()
    return tuple(event for page in pages for event in page)


def _created(manifest: Manifest) -> datetime:
    return parse_time(manifest["metadata"]["creationTimestamp"])
