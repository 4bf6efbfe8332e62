"""Controllers of others, as they are: built from their Go modules, run as processes on this machine."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import Access, gobuild
from devcluster.cluster import say_on_stderr
from devcluster.gobuild import ProgramSet, Target
from devcluster.layout import cache_folder

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Pinned:
    """Programs whose versions stand in the go.mod of a folder here, by their names: the packages that they are."""

    name: str
    packages: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """The folder of the go.mod."""
        return HERE / self.name

    def program(self, name: str) -> Path:
        """Return a program. All are built the first time, and kept beside those of the cluster."""
        kept = cache_folder() / f"ecosystem-{self.name}-{gobuild.fingerprint([self.folder])}"
        targets = [Target(one, self.folder, package) for one, package in self.packages.items()]
        return gobuild.build(ProgramSet(", ".join(self.packages), targets), kept, say_on_stderr) / name

    def install_crds(self, cluster: Access, module: str, folder: str) -> None:
        """Apply the CRDs that lie in a folder of a module, and wait until they are served."""
        manifests = str(gobuild.dependency_folder(self.folder, module) / folder)
        cluster.run_kubectl("apply", "--server-side", "-f", manifests)
        cluster.run_kubectl("wait", "--for=condition=Established", "-f", manifests)


@contextmanager
def running(cluster: Access, program: Path, log: Path, *arguments: str, **environment: str) -> Iterator[None]:
    """Run a controller with all rights on the cluster; end it afterwards, and then expect that it had not ended."""
    with log.open("wb") as output:
        command = [program, *arguments]
        process = subprocess.Popen(command, env={**cluster.env, **environment}, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text()[-3000:]
    finally:
        process.kill()
        process.wait()
