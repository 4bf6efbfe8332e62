"""Go programs: built from their modules once, and kept in the user's cache in a folder named after their sources."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .errors import BuildFailed, MissingTools
from .layout import cache_folder
from .locks import locked

GO_VERSION = (1, 26)

_BUILD_TIMEOUT_SECONDS = 3600
_HEARTBEAT_SECONDS = 30


@dataclass(frozen=True)
class Target:
    """A program: the folder of the Go module that it is built in, and its package."""

    program: str
    module: Path
    package: str


@dataclass(frozen=True)
class ProgramSet:
    """Programs that are built together; links: other names of a program, by those names."""

    title: str
    targets: Sequence[Target]
    linker_flags: str = "-s -w"
    links: Mapping[str, str] = field(default_factory=dict)


def fingerprint(modules: Iterable[Path]) -> str:
    """Return twelve digits of what lies in the folders of modules: their go.mod, go.sum and Go files."""
    digest = hashlib.sha256()
    for module in modules:
        sources = (path for path in module.rglob("*") if path.suffix == ".go" or path.name in ("go.mod", "go.sum"))
        for file in sorted(sources):
            digest.update(f"{file.relative_to(module.parent)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


def required_version(module: Path, dependency: str) -> str:
    """Return the version that a module's go.mod names, such as v1.36.3. Raises BuildFailed when it names none."""
    text = (module / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(dependency)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise BuildFailed(f"{module / 'go.mod'} does not require {dependency}")
    return found[1]


def dependency_folder(module: Path, dependency: str) -> Path:
    """Return where Go keeps the files of a dependency, at the version that the module requires. Raises BuildFailed."""
    command = [go_program(), "mod", "download", "-json", dependency]
    done = subprocess.run(command, cwd=module, env=go_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"fetching {dependency} failed:\n{(done.stderr or done.stdout).strip()[-4000:]}")
    return Path(json.loads(done.stdout)["Dir"])


def build(programs: ProgramSet, target: Path, say: Callable[[str], None] = print) -> Path:
    """Build the programs into the folder `target` unless it is there, and return it.

    Takes minutes the first time, and next to nothing afterwards. When several processes build at once, one does the
    work and the others wait for it. Raises MissingTools or BuildFailed.
    """
    if target.exists():
        return target
    go = go_program()
    busy = f"another process has been building for more than an hour, before {target} could be"
    with locked(cache_folder() / "building", timeout_seconds=_BUILD_TIMEOUT_SECONDS, busy=busy):
        if not target.exists():
            _build_all(go, programs, target, say)
    return target


def _build_all(go: str, programs: ProgramSet, target: Path, say: Callable[[str], None]) -> None:
    # Programs that other sources left here are reused by Go's own cache, not by us.
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    say(f"building {programs.title} into {target}; the first time takes minutes")
    for number, one in enumerate(programs.targets, start=1):
        with _timed(f"[{number}/{len(programs.targets)}] {one.program}", say):
            _build_one(go, one, programs.linker_flags, draft)
    for name, program in programs.links.items():
        (draft / name).symlink_to(program)
    draft.rename(target)


def _build_one(go: str, target: Target, linker_flags: str, into: Path) -> None:
    flags = ["-trimpath", "-buildvcs=false", "-ldflags", linker_flags]
    done = subprocess.run(
        [go, "build", *flags, "-o", into / target.program, target.package],
        cwd=target.module,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildFailed(f"building {target.program} failed:\n{done.stderr.strip()[-4000:]}")


@contextmanager
def _timed(label: str, say: Callable[[str], None]) -> Iterator[None]:
    """Say when something begins, that it goes on, and how long it took."""
    began = time.monotonic()
    done = threading.Event()

    def heartbeat() -> None:
        while not done.wait(_HEARTBEAT_SECONDS):
            say(f"{label}: {time.monotonic() - began:.0f} s so far")

    say(f"{label}: building")
    thread = threading.Thread(target=heartbeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    say(f"{label}: {time.monotonic() - began:.0f} s")


def go_environment() -> dict[str, str]:
    """Return the environment that Go programs are built in.

    Without C they need no compiler, and run in an image that holds nothing else.
    """
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}


def go_program() -> str:
    """Return the path of a Go that is new enough. Raises MissingTools."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    wanted = ".".join(map(str, GO_VERSION))
    if go is None:
        raise MissingTools(f"Go {wanted} or newer builds the cluster's programs, and `go` is not on the PATH")
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < GO_VERSION:
        raise MissingTools(f"Go {wanted} or newer builds the cluster's programs; {go} is {text.strip()!r}")
    return go
