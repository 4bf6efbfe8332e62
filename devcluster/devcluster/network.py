"""One network namespace for each cluster, joined to the host by a virtual cable."""

import json
from pathlib import Path

from .commands import run
from .layout import Addresses

NAMESPACES = Path("/run/netns")


def enter(namespace: str) -> list[str]:
    """The words to put before a command so that it runs in the namespace.

    Not `ip netns exec`: that mounts /sys anew, which hides the cgroups from the kubelet.
    """
    return ["nsenter", f"--net={NAMESPACES / namespace}", "--"]


def create(namespace: str, addresses: Addresses) -> None:
    """Make the namespace and the cable, and let the host route to pods and Services through it."""
    run(["ip", "netns", "add", namespace])
    link = addresses.link
    run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace])
    run(["ip", "address", "add", f"{addresses.host}/30", "dev", link])
    run(["ip", "link", "set", link, "up"])
    inside = f"""\
link set lo up
address add {addresses.node}/30 dev eth0
link set eth0 up
route add default via {addresses.host}
"""
    run(["ip", "-netns", namespace, "-batch", "-"], input_text=inside)
    for network in (addresses.services, addresses.pods):
        run(["ip", "route", "add", network, "via", addresses.node, "dev", link])
    run([*enter(namespace), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])


def is_free(addresses: Addresses) -> bool:
    """Whether neither a device nor a route of the host uses what this cluster would use."""
    if Path("/sys/class/net", addresses.link).exists():
        return False
    routes = json.loads(run(["ip", "-j", "route", "show", "table", "all"]))
    return not any(addresses.pattern.match(route.get("dst", "")) for route in routes)


def remove(namespace: str, link: str | None) -> None:
    """Take the cable and the namespace away; what is not there is fine."""
    if link and Path("/sys/class/net", link).exists():
        run(["ip", "link", "delete", link])
    if (NAMESPACES / namespace).exists():
        run(["ip", "netns", "delete", namespace])


def pids(namespace: str) -> set[int]:
    """The processes that run in the namespace."""
    if not (NAMESPACES / namespace).exists():
        return set()
    return {int(pid) for pid in run(["ip", "netns", "pids", namespace]).split()}
