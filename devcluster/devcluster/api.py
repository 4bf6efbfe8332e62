"""The few requests that setting a cluster up needs; everything else uses kubectl or a real client."""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any

from .errors import DevclusterError
from .layout import Addresses, Layout

Object = dict[str, Any]


class ApiError(DevclusterError):
    """The API server refused a request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Api:
    """JSON requests to one cluster's API server."""

    def __init__(self, layout: Layout, addresses: Addresses) -> None:
        self._host = addresses.node
        self._tls = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        self._tls.load_cert_chain(layout.pki / "setup.crt", layout.pki / "setup.key")

    def get(self, path: str) -> Object:
        """Read an object or a list. Raises ApiError, or OSError when the server does not answer."""
        return self._json("GET", path, None, {})

    def create(self, path: str, body: Object) -> None:
        """Create the object unless it is there already."""
        try:
            self._json("POST", path, body, {"Content-Type": "application/json"})
        except ApiError as error:
            if error.status != http.client.CONFLICT:
                raise

    def apply(self, path: str, body: Object) -> None:
        """Create the object, or make it equal to this one, by server-side apply."""
        content_type = {"Content-Type": "application/apply-patch+yaml"}
        self._json("PATCH", f"{path}?fieldManager=devcluster&force=true", body, content_type)

    def merge(self, path: str, body: Object) -> None:
        """Change the named fields of an object."""
        self._json("PATCH", path, body, {"Content-Type": "application/merge-patch+json"})

    def healthy(self, path: str) -> bool:
        """Whether a health endpoint of the API server says yes."""
        try:
            return self._request("GET", path, None, {})[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def _json(self, method: str, path: str, body: Object | None, headers: Mapping[str, str]) -> Object:
        status, content = self._request(method, path, None if body is None else json.dumps(body), headers)
        answer: Object = json.loads(content) if content[:1] == b"{" else {"message": content.decode(errors="replace")}
        if status >= http.client.BAD_REQUEST:
            raise ApiError(status, f"{method} {path}: {answer.get('message')}")
        return answer

    def _request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(self._host, 6443, context=self._tls, timeout=10)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
