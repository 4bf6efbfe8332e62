"""A cluster of this machine: start it, use it, take it down."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import binaries, images, install, records, s3
from .access import Access
from .errors import DevclusterError
from .layout import NETWORK, Layout, check_name
from .processes import Process, kill, wait_until
from .records import Options, Record
from .startup import Startup, components, launch
from .sweep import exists, sweep

START_TIMEOUT_SECONDS = 90.0


def say_on_stderr(text: str) -> None:
    """Progress goes where it does not mix with results."""
    print(text, file=sys.stderr, flush=True)


class Cluster(Access):
    """A named cluster in a network namespace of its own. Making this object starts nothing.

    >>> c = Cluster("demo")
    >>> c.up(gpus=2)
    >>> c.run_kubectl("get", "nodes")
    >>> c.down()
    """

    def __init__(self, name: str, say: Callable[[str], None] = say_on_stderr) -> None:
        """Raises DevclusterError when the name cannot be a cluster's."""
        self.name = check_name(name)
        self._layout = Layout(self.name)
        self._say = say

    @property
    def kubeconfig(self) -> Path:
        """The file that says how to reach the API server, with all rights."""
        return self._layout.kubeconfig

    @property
    def kubectl(self) -> Path:
        """The kubectl that fits the cluster."""
        return self.programs / "kubectl"

    @property
    def helm(self) -> Path:
        """The Helm program."""
        return self.programs / "helm"

    @property
    def s3(self) -> s3.S3 | None:
        """An S3 server that pods and the host reach by the same address; None in a cluster without a node."""
        return s3.read_credentials(self._layout) if self._layout.s3_credentials.exists() else None

    @property
    def audit_log(self) -> Path:
        """One JSON object a line for each request to a resource, with user, verb and object."""
        return self._layout.audit_log

    @property
    def env(self) -> dict[str, str]:
        """This process's environment, changed so that clients find this cluster and write their caches into it."""
        base, folder = super().env, self._layout.root / "clients"
        direct = ",".join(filter(None, (base.get("NO_PROXY"), NETWORK, self.node_address)))
        caches = {f"HELM_{what}_HOME": str(folder / f"helm-{what.lower()}") for what in ("CACHE", "CONFIG", "DATA")}
        return {**base, **caches, "KUBECACHEDIR": str(folder / "kubectl"), "NO_PROXY": direct, "no_proxy": direct}

    @property
    def programs(self) -> Path:
        """The folder of the programs that this cluster runs, or would run."""
        record = records.read(self._layout)
        return Path(record.programs) if record else binaries.folder()

    @property
    def node_address(self) -> str:
        """The address at which the API server (6443) and the S3 server (9000) answer."""
        return self.record().addresses.node

    def record(self) -> Record:
        """What is known of the cluster. Raises DevclusterError when there is none of this name."""
        record = records.read(self._layout)
        if record is None:
            raise DevclusterError(f"there is no cluster {self.name!r}: start it with `python -m devcluster up`")
        return record

    def up(
        self,
        *,
        control_plane_only: bool = False,
        scheduler: bool = True,
        gpus: int = 4,
        plain_images: bool = False,
        timeout_seconds: float = START_TIMEOUT_SECONDS,
    ) -> float:
        """Start the cluster and return, in seconds, how long that took without building the programs.

        control_plane_only: etcd, API server and controllers, but no node: tests set the states of pods themselves.
        gpus: how many nvidia.com/gpu the node says it has.
        plain_images: pods get nothing but what their image holds; for images that were really built.

        A cluster of the same options that is up already stays as it is; one that is broken is started anew.
        Raises NotReady, MissingTools, BuildFailed, WrongOwner or DevclusterError; after any of them nothing is left.
        """
        options = Options(control_plane_only, scheduler, 0 if control_plane_only else gpus, plain_images)
        _require_root()
        install.check(with_node=options.with_node)
        programs = binaries.build(self._say)
        with records.cluster_lock(self._layout):
            if self._is_up_with(options):
                self._say(f"cluster {self.name!r} is up already")
                return 0.0
            sweep(self._layout, records.read(self._layout))
            return self._start(options, programs, timeout_seconds)

    def down(self) -> None:
        """Take the cluster down and leave nothing of it; one that does not exist is fine.

        Raises WrongOwner when another checkout started it.
        """
        _require_root()
        if not exists(self._layout):
            return
        with records.cluster_lock(self._layout):
            record = records.read(self._layout)
            if record:
                records.check_owner(record)
            sweep(self._layout, record)

    def kill(self, component: str) -> None:
        """End one component the hard way, as a crash would. Raises DevclusterError when there is no such component."""
        kill(self._process(component))

    def start(self, component: str, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Start a component that has ended, and wait until it is ready."""
        record = self.record()
        if self._process(component).alive:
            return
        one = components(self._layout, record)[component]
        process = launch(self._layout, record, one)
        wait_until(one.ready, process, self._layout, component, time.monotonic() + timeout_seconds)

    def healthy(self) -> bool:
        """Whether every component runs and says that it is ready."""
        record = records.read(self._layout)
        return record is not None and all(self.health(record).values())

    def health(self, record: Record) -> dict[str, bool]:
        """For each component, whether it runs and says that it is ready."""
        wanted = components(self._layout, record)
        return {
            name: name in record.processes and record.processes[name].alive and one.ready()
            for name, one in wanted.items()
        }

    def log(self, component: str) -> Path:
        """The file that holds what a component has said."""
        return self._layout.log(component)

    def import_images(self, archive: Path) -> str:
        """Load the images of a Docker or OCI archive; return what was loaded."""
        self.record()
        return images.import_archive(self._layout, archive)

    def tag_image(self, name: str, further_name: str) -> None:
        """Give an image that pods can use one more name."""
        self.record()
        images.tag(self._layout, name, further_name)

    def image_names(self) -> list[str]:
        """The images that pods can use."""
        self.record()
        return images.names(self._layout)

    def _process(self, component: str) -> Process:
        processes = self.record().processes
        if component not in processes:
            raise DevclusterError(f"{self.name!r} has no component {component!r}; it has {', '.join(processes)}")
        return processes[component]

    def _is_up_with(self, options: Options) -> bool:
        record = records.read(self._layout)
        if record is None:
            return False
        records.check_owner(record)
        if not all(self.health(record).values()):
            self._say(f"cluster {self.name!r} is broken and is started anew")
            return False
        if record.options != options:
            raise DevclusterError(f"cluster {self.name!r} is up with {record.options}; take it down first")
        return True

    def _start(self, options: Options, programs: Path, timeout_seconds: float) -> float:
        began = time.monotonic()
        record = records.claim(self._layout, options, str(programs))
        try:
            Startup(self._layout, record, began + timeout_seconds).run()
        except BaseException:
            sweep(self._layout, record)
            raise
        took = time.monotonic() - began
        self._say(f"cluster {self.name!r} is ready in {took:.1f} s")
        return took


def _require_root() -> None:
    if os.geteuid() != 0:
        raise DevclusterError("namespaces, mounts and cgroups need root: run this with sudo")
