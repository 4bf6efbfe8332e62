"""Ports of the loopback address for what tests start."""

import itertools
import os
import socket

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_fixed = itertools.count(18400 + 400 * _WORKER)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def port_to_come_back_to() -> int:
    """Return a port below those that the system gives away: whoever starts anew finds it free."""
    return next(_fixed)
