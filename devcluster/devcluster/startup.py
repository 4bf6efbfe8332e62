"""Starting a cluster: everything at once that can go at once."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import certificates, cgroups, control_plane, images, manifests, network, node, s3
from .api import Api, ApiError
from .component import Component
from .containerd import containerd
from .errors import NotReady
from .layout import Layout
from .processes import Process, start, tail, wait_until
from .records import Record

GPU = "nvidia.com/gpu"

# What does not need the API server.
_FIRST = ("etcd", "kube-apiserver", "containerd", "s3")


def components(layout: Layout, record: Record) -> dict[str, Component]:
    """Every program of the cluster in the order in which it is started. Writes their configuration."""
    addresses, options = record.addresses, record.options
    wanted = [control_plane.etcd(layout, addresses), control_plane.kube_apiserver(layout, addresses)]
    if options.with_node:
        wanted.append(containerd(layout, addresses, plain_images=options.plain_images))
        program = Path(record.programs, "versitygw")
        wanted.append(s3.server(layout, addresses, s3.read_credentials(layout), program))
    wanted.append(control_plane.kube_controller_manager(layout, addresses, with_node=options.with_node))
    if options.scheduler:
        wanted.append(control_plane.kube_scheduler(layout, addresses))
    if options.with_node:
        wanted += [make(layout, addresses) for make in (node.kubelet, node.kube_proxy, node.coredns)]
        wanted.append(node.volume_provisioner(layout, addresses))
    return {one.name: one for one in wanted}


def launch(layout: Layout, record: Record, component: Component) -> Process:
    """Start one component and record it."""
    program = component.program or Path(record.programs, component.name)
    process = record.processes[component.name] = start(layout, component, program)
    record.save()
    return process


class Startup:
    """One start of one cluster. Each step raises NotReady, with the end of a log, when the deadline passes."""

    def __init__(self, layout: Layout, record: Record, deadline: float) -> None:
        self._layout = layout
        self._record = record
        self._deadline = deadline

    def run(self) -> None:
        """Bring everything up; return when the cluster can be used."""
        layout, record = self._layout, self._record
        cgroups.create(layout.cgroup)
        network.create(layout.network_namespace, record.addresses)
        certificates.issue_all(layout, record.addresses)
        if record.options.with_node:
            s3.make_credentials(layout, record.addresses)
        wanted = components(layout, record)
        first = [name for name in wanted if name in _FIRST]
        for name in first:
            launch(layout, record, wanted[name])
        with ThreadPoolExecutor(1) as background:
            loading = background.submit(self._load_images, wanted)
            self._wait(wanted["kube-apiserver"])
            for name in wanted:
                if name == "kubelet":
                    self._wait(wanted["containerd"])
                if name not in first:
                    launch(layout, record, wanted[name])
            self._set_up_objects()
            for component in wanted.values():
                self._wait(component)
            loading.result()

    def _wait(self, component: Component) -> None:
        process = self._record.processes[component.name]
        wait_until(component.ready, process, self._layout, component.name, self._deadline)

    def _load_images(self, wanted: Mapping[str, Component]) -> None:
        if "containerd" in wanted:
            self._wait(wanted["containerd"])
            archive = self._layout.config / "images.tar"
            pause, plain = Path(self._record.programs, "pause"), self._record.options.plain_images
            images.build_all(pause, archive, with_checkout=not plain)
            images.import_archive(self._layout, archive)
            archive.unlink()

    def _set_up_objects(self) -> None:
        api = Api(self._layout, self._record.addresses)
        self._until(lambda: _there(api, "/api/v1/namespaces/default"), "kube-apiserver", "namespace default")
        if self._record.options.with_node:
            for path, body in manifests.cluster_objects():
                api.apply(path, body)
            secret = s3.secret(s3.read_credentials(self._layout), "default")
            api.apply(f"/api/v1/namespaces/default/secrets/{s3.SECRET}", secret)
            self._set_up_node(api)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._until(lambda: _there(api, account), "kube-controller-manager", "service account default")

    def _set_up_node(self, api: Api) -> None:
        path = f"/api/v1/nodes/{self._layout.name}"
        self._until(lambda: _there(api, path), "kubelet", "node registered")
        if gpus := self._record.options.gpus:
            amount = {GPU: str(gpus)}
            api.merge(f"{path}/status", {"status": {"capacity": amount, "allocatable": amount}})
        self._until(lambda: _node_ready(api, path, gpus), "kubelet", "node Ready with its GPUs")

    def _until(self, ready: Callable[[], bool], component: str, what: str) -> None:
        while not ready():
            if time.monotonic() > self._deadline:
                raise NotReady(f"{component}: not there in time: {what}\n{tail(self._layout, component)}")
            if not self._record.processes[component].alive:
                raise NotReady(f"{component} ended while it started\n{tail(self._layout, component)}")
            time.sleep(0.05)


def _there(api: Api, path: str) -> bool:
    try:
        api.get(path)
    except ApiError:
        return False
    return True


def _node_ready(api: Api, path: str, gpus: int) -> bool:
    status = api.get(path).get("status", {})
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))
    return ready and int(status.get("allocatable", {}).get(GPU, 0)) == gpus
