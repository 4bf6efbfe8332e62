"""What can be checked without a cluster."""

import subprocess
import sys
from pathlib import Path

import pytest

from devcluster import DevclusterError, binaries
from devcluster.layout import check_name
from devcluster.locks import locked


@pytest.mark.parametrize("name", ["", "Upper", "1st", "a_b", "ends-", "a" * 21, "../etc"])
def test_name_that_could_not_be_a_host_name_is_refused(name: str) -> None:
    with pytest.raises(DevclusterError, match="at most 20 lower-case letters"):
        check_name(name)


def test_lock_is_held_against_other_processes_and_leaves_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "lock"
    code = f"""
from pathlib import Path
from devcluster.locks import locked
with locked(Path({str(folder)!r}), timeout_seconds=0.2, busy="somebody is at it"):
    pass
"""

    def other() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    with locked(folder, timeout_seconds=1, busy=""):
        assert "somebody is at it" in other().stderr
    assert not folder.exists()
    assert other().returncode == 0


def test_versions_are_those_that_the_modules_require() -> None:
    assert set(binaries.versions()) == {"kubernetes", "etcd", "coredns", "helm", "versitygw"}
    assert binaries.kubernetes_version().removeprefix("v") in (binaries.SOURCES / "node" / "go.mod").read_text()


def test_programs_are_named_after_their_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("node", "tools"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "go.mod").write_text((binaries.SOURCES / module / "go.mod").read_text())
    monkeypatch.setattr(binaries, "SOURCES", tmp_path)
    before = binaries.folder()
    (tmp_path / "node" / "main.go").write_text("package main")
    assert binaries.folder() != before


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["status", "--name", "dc-none"], 1, "there is no cluster 'dc-none'"),
        (["down", "--name", "dc-none"], 0, ""),
        (["up", "--gpus", "many"], 2, "'many' is not a count"),
        (["up", "--name", "Not Good"], 1, "cluster name 'Not Good'"),
        (["images", "import", "--name", "dc-none"], 1, "expected a Docker or OCI archive"),
    ],
)
def test_command_line_says_what_is_wrong(arguments: list[str], status: int, said: str) -> None:
    done = subprocess.run([sys.executable, "-m", "devcluster", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
