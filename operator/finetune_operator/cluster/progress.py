"""Pulls `/progress` from the training pods, apart from reconciling: a pod that does not answer holds nothing up."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from finetune_api.handoff import PROGRESS_PORT, Progress
from finetune_api.reading import readable
from finetune_operator.cluster.key import Key
from finetune_operator.logs import fields

logger = logging.getLogger(__name__)

PULL_TIMEOUT_SECONDS = 2.0
FIRST_PULL_SECONDS = 1.0
MAX_ANSWER_BYTES = 256 * 1024
CONCURRENT_PULLS = 64


@dataclass(frozen=True)
class ProgressTarget:
    """A running training pod."""

    pod_uid: str
    address: str
    run_id: str

    @property
    def url(self) -> str:
        """Where the pod answers."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{PROGRESS_PORT}/progress"


@dataclass
class _Watch:
    target: ProgressTarget
    task: asyncio.Task[None]
    newest: Progress | None = field(default=None)


class ProgressBoard:
    """The newest progress of every FineTuneJob whose pod runs."""

    def __init__(self, interval_seconds: float, changed: Callable[[Key], None]) -> None:
        self._interval = interval_seconds
        self._changed = changed
        self._watches: dict[Key, _Watch] = {}
        self._limit = asyncio.Semaphore(CONCURRENT_PULLS)
        self._session: aiohttp.ClientSession | None = None

    def watch(self, key: Key, target: ProgressTarget | None) -> None:
        """Pull from this pod from now on; None stops."""
        known = self._watches.get(key)
        if known is not None and known.target == target:
            return
        if known is not None:
            known.task.cancel()
            del self._watches[key]
        if target is not None:
            task = asyncio.create_task(self._pull_for_ever(key, target), name=f"progress of {key}")
            self._watches[key] = _Watch(target, task)

    def newest(self, key: Key) -> tuple[str, Progress] | None:
        """Return the pod's uid and what it said last."""
        watch = self._watches.get(key)
        return (watch.target.pod_uid, watch.newest) if watch and watch.newest else None

    async def close(self) -> None:
        """Stop pulling."""
        for key in list(self._watches):
            self.watch(key, None)
        if self._session is not None:
            await self._session.close()

    async def _pull_for_ever(self, key: Key, target: ProgressTarget) -> None:
        while True:
            progress = await self._pull(target)
            watch = self._watches[key]
            if progress is not None and progress != watch.newest and progress.run_id == target.run_id:
                watch.newest = progress
                self._changed(key)
            await asyncio.sleep(self._interval if watch.newest else min(FIRST_PULL_SECONDS, self._interval))

    async def _pull(self, target: ProgressTarget) -> Progress | None:
        """Read once; None when the pod does not answer, or not with progress: that is no failure."""
        try:
            async with (
                self._limit,
                asyncio.timeout(PULL_TIMEOUT_SECONDS),
                self._open().get(target.url, allow_redirects=False) as response,
            ):
                content = await _whole(response)
            progress = readable(Progress, json.loads(content))
            if progress is None:
                logger.warning("unreadable progress", extra=fields(url=target.url))
            return progress
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.debug("no progress", extra=fields(url=target.url, why=error or "no answer in time"))
        except ValueError as error:
            logger.warning("unreadable progress", extra=fields(url=target.url, why=error))
        return None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Pods are reached directly, whatever proxy the environment names.
            self._session = aiohttp.ClientSession(trust_env=False)
        return self._session


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer to its end: one read returns what happens to be there. Raises ValueError if it is too long."""
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            raise ValueError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(content)
