"""The real cluster, over `kubernetes.aio` with plain manifests: nothing is lost in a model's round trip."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration

from finetune_api.keys import MANAGED_BY
from finetune_operator.cluster.connection import Credentials, bearer_token, credentials
from finetune_operator.cluster.port import Listing
from finetune_operator.errors import Attempt, ClusterError, Conflict, NotFound, Refused, Unavailable
from finetune_operator.kinds import EVENT, FINETUNE_JOB, LEASE, Kind, Manifest, kind_of
from finetune_operator.manifests import name_of, namespace_of, uid_of, version_of
from finetune_operator.metrics import API_REQUESTS, API_WRITES, NO_ANSWER

REQUEST_TIMEOUT_SECONDS = 10.0
LIST_PAGE = 500

PLAIN = "application/json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ERRORS = {404: NotFound, 409: Conflict, 400: Refused, 403: Refused, 422: Refused}


class ApiServer:
    """Implements `port.Cluster` and `lease.Leases`."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._client = ApiClient(configuration)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def credentials(self) -> Credentials:
        """Return what a second client needs to reach the same server as the same user."""
        return await credentials(self._configuration)

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read one object; None when it is absent."""
        try:
            return await self._request("GET", kind.path(namespace, name))
        except NotFound:
            return None

    async def snapshot(self, kind: Kind, namespace: str | None = None, *, labels: str = "") -> Listing:
        """Read all matching objects, and the version of the whole at that moment."""
        return await self._list(kind.path(namespace), kind, {"labelSelector": labels})

    async def heads(self, kind: Kind, namespace: str, *, labels: str = "") -> list[Manifest]:
        """Read nothing but the metadata of all matching objects."""
        return (await self._list(kind.path(namespace), kind, {"labelSelector": labels}, METADATA_ONLY)).items

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Manifest]:
        """Read all matching objects, page by page, each with its apiVersion and kind."""
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        return (await self._list(kind.path(namespace), kind, selectors)).items

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object as the field manager finetune-operator."""
        path, query = kind_of(manifest).path(namespace_of(manifest)), {"fieldManager": MANAGED_BY}
        return await self._write("create", manifest, path, ("POST", PLAIN, manifest), query)

    async def apply(self, manifest: Manifest, *, force: bool) -> Manifest:
        """Server-side apply as the field manager finetune-operator."""
        query = {"fieldManager": MANAGED_BY, "force": "true" if force else "false"}
        path = kind_of(manifest).path(namespace_of(manifest), name_of(manifest))
        return await self._write("apply", manifest, path, ("PATCH", APPLY_PATCH, manifest), query)

    async def merge(self, live: Manifest, changes: Manifest) -> Manifest:
        """JSON merge patch of this very object."""
        body = {**changes, "metadata": {**changes.get("metadata", {}), "uid": uid_of(live)}}
        path = kind_of(live).path(namespace_of(live), name_of(live))
        return await self._write("patch", live, path, ("PATCH", MERGE_PATCH, body), {"fieldManager": MANAGED_BY})

    async def replace_status(self, resource: Manifest, status: Manifest) -> Manifest:
        """Replace the status. Raises Conflict where the object has changed since it was read, so nothing is lost."""
        path = FINETUNE_JOB.path(namespace_of(resource), name_of(resource)) + "/status"
        body = {**resource, "status": status}
        return await self._write("status", resource, path, ("PUT", PLAIN, body), {"fieldManager": MANAGED_BY})

    async def delete(self, live: Manifest) -> Manifest | None:
        """Foreground deletion: the object stays visible until its pods are gone. Return it as it is now."""
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid_of(live)}}
        path = kind_of(live).path(namespace_of(live), name_of(live))
        try:
            answer = await self._write("delete", live, path, ("DELETE", PLAIN, body))
        except (NotFound, Conflict):
            # Absent, or a namesake has taken its place: either way this object is gone.
            return None
        return answer if answer.get("kind") == live["kind"] else None

    async def record(self, event: Manifest) -> None:
        """Create an Event; its name says what it tells, so a second one is the same."""
        try:
            await self._write("create", event, EVENT.path(namespace_of(event)), ("POST", PLAIN, event))
        except Conflict:
            return

    async def create_lease(self, lease: Manifest) -> None:
        """Create the Lease of the leader election. Raises Conflict when it is there."""
        await self._request("POST", LEASE.path(namespace_of(lease)), body=lease)

    async def replace_lease(self, lease: Manifest) -> Manifest:
        """Write the Lease. Raises Conflict when it has changed since it was read."""
        return await self._request("PUT", LEASE.path(namespace_of(lease), name_of(lease)), body=lease)

    async def _list(self, path: str, kind: Kind, selectors: dict[str, str], accept: str = PLAIN) -> Listing:
        query = {"limit": LIST_PAGE, **selectors}
        found: list[Manifest] = []
        while True:
            page = await self._request("GET", path, query, accept=accept)
            found += [{**item, "apiVersion": kind.api_version, "kind": kind.kind} for item in page["items"] or ()]
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return Listing(found, version_of(page))

    async def _write(
        self,
        verb: str,
        subject: Manifest,
        path: str,
        request: tuple[str, str, Any],
        query: dict[str, Any] | None = None,
    ) -> Manifest:
        method, content_type, body = request
        try:
            answer = await self._request(method, path, query, body, content_type)
        except ClusterError as error:
            error.attempt = Attempt(verb, subject["kind"], name_of(subject))
            raise
        API_WRITES.labels(verb=verb, kind=subject["kind"]).inc()
        return answer

    async def _request(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        content_type: str = PLAIN,
        *,
        accept: str = PLAIN,
    ) -> Manifest:
        """Send one request; raise one of the module's errors unless it succeeds."""
        query = {key: value for key, value in (query or {}).items() if value != ""}
        url = f"{self._configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        verb = "list" if "limit" in query else _VERBS[method]
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": MANAGED_BY}
        token = await bearer_token(self._configuration)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                response = await self._client.call_api(method, url, headers, body)
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            API_REQUESTS.labels(verb, NO_ANSWER).inc()
            raise Unavailable(f"{method} {path}: {error or type(error).__name__}") from error
        API_REQUESTS.labels(verb, response.status).inc()
        answer = _parse(content)
        if response.status >= 400:
            raise _error(response.status, answer)
        return answer


def _parse(content: bytes) -> Manifest:
    try:
        answer = json.loads(content)
    except ValueError:
        return {"message": content[:200].decode(errors="replace")}
    return answer if isinstance(answer, dict) else {}


def _error(status: int, answer: Manifest) -> ClusterError:
    message = str(answer.get("message") or f"status {status}")
    if answer.get("reason") == "NamespaceTerminating" or "is being terminated" in message:
        return NotFound(message)
    return _ERRORS.get(status, Unavailable)(message)
