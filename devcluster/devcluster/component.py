"""One program of the cluster: how it is started, and how it is told that it works."""

import http.client
import socket
import ssl
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .layout import Layout

Probe = Callable[[], bool]

# The system's proxy settings do not apply to addresses of this machine.
_DIRECT = urllib.request.ProxyHandler({})


@dataclass(frozen=True)
class Component:
    """`ready` must return quickly and must not raise. `program` is what to run when it is not the name."""

    name: str
    arguments: Sequence[str]
    ready: Probe
    program: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)


def http_ready(url: str, layout: Layout | None = None) -> Probe:
    """Ready when the address answers with status 200; the layout says whose certificates to trust."""

    def probe() -> bool:
        handlers: list[urllib.request.BaseHandler] = [_DIRECT]
        if layout is not None:
            trust = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
            handlers.append(urllib.request.HTTPSHandler(context=trust))
        try:
            with urllib.request.build_opener(*handlers).open(url, timeout=2) as response:
                return bool(response.status == http.client.OK)
        except (OSError, http.client.HTTPException):
            return False

    return probe


def socket_ready(path: Path) -> Probe:
    """Ready when something listens on the socket file."""

    def probe() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            return client.connect_ex(str(path)) == 0

    return probe


def dns_ready(server: str, name: str) -> Probe:
    """Ready when the server knows an address of the name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    flags_and_counts = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    question = b"\x4b\x38" + flags_and_counts + labels + b"\x00\x00\x01\x00\x01"

    def probe() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            try:
                client.sendto(question, (server, 53))
                answer = client.recv(512)
            except OSError:
                return False
        error, answers = answer[3] & 0x0F, int.from_bytes(answer[6:8])
        return error == 0 and answers > 0

    return probe
