"""The safety net under the watches: list everything from time to time, and mend what they missed."""

import asyncio
import logging
from collections.abc import Callable

from finetune_api.keys import LABEL_MANAGED_BY, MANAGED_BY
from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.port import Cluster
from finetune_operator.errors import ClusterError
from finetune_operator.kinds import CHILDREN, FINETUNE_JOB, Kind, Manifest
from finetune_operator.manifests import uid_of

logger = logging.getLogger(__name__)

CHILD_SELECTOR = f"{LABEL_MANAGED_BY}={MANAGED_BY}"


class Resync:
    """Lists the watched kinds, forgets what is gone, takes in what is newer, and has all keys looked at."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        enqueue: Callable[[Key], None],
        namespaces: tuple[str, ...],
        on_round: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._enqueue = enqueue
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._on_round = on_round

    async def fill(self) -> None:
        """List everything once: nothing is created before all that exists is known."""
        for kind in (FINETUNE_JOB, *CHILDREN):
            for manifest in await self._list(kind):
                self._cache.put(manifest)
        logger.info("listed finetunejobs=%d", len(self._cache.all_keys()))
        self._enqueue_all()

    async def repeat_for_ever(self, interval_seconds: float) -> None:
        """Compare at this interval. A server that does not answer is asked again the next time."""
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                mended = [await self._mend(kind) for kind in (FINETUNE_JOB, *CHILDREN)]
                if any(mended):
                    logger.info("resync mended=%d", sum(mended))
            except ClusterError as error:
                logger.warning("resync failed why=%s", error)
            self._on_round()
            self._enqueue_all()

    async def _mend(self, kind: Kind) -> int:
        """Bring one kind's cache to what the server lists; return how many objects were missed."""
        before = {uid_of(known): known for known in self._cache.of_kind(kind)}
        listed = await self._list(kind)
        present = {uid_of(manifest) for manifest in listed}
        changed = [manifest for manifest in listed if self._cache.put(manifest)]
        gone = [known for uid, known in before.items() if uid not in present]
        for manifest in gone:
            self._cache.remove(manifest)
        return len(changed) + len(gone)

    async def _list(self, kind: Kind) -> list[Manifest]:
        labels = "" if kind == FINETUNE_JOB else CHILD_SELECTOR
        pages = [await self._cluster.list(kind, namespace, labels=labels) for namespace in self._namespaces]
        return [manifest for page in pages for manifest in page]

    def _enqueue_all(self) -> None:
        for key in self._cache.all_keys():
            self._enqueue(key)
