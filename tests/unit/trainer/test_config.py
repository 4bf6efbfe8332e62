"""The job file, Secrets and the CPU threads that a pod may use."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from finetune_api.handoff import RunRequest
from finetune_trainer import config
from finetune_trainer.errors import BadSpec, MissingInput
from finetune_trainer.storage import Credentials
from tests.builders import merge
from tests.unit.trainer.test_bad_data import REQUEST


@dataclass(frozen=True)
class Pod:
    """What a pod on a node of 4 CPUs asks for: its CPU request, the control group's quota, OMP_NUM_THREADS."""

    requested: str
    quota: str = "max 100000"
    wished: str | None = None


@pytest.mark.parametrize(
    ("pod", "threads"),
    [
        (Pod("3"), 3),
        (Pod("1500m"), 2),
        (Pod("100m"), 1),
        (Pod("2e0"), 2),
        (Pod(".003k"), 3),
        (Pod("3", quota="150000 100000"), 2),
        (Pod("3", quota="50000 100000"), 1),
        (Pod("64"), 4),
        (Pod("1", wished="7"), 7),
        (Pod("3", quota="of another kernel"), 3),
    ],
)
def test_threads_follow_request_quota_and_node(pod: Pod, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "cpu.max").write_text(pod.quota)
    monkeypatch.setattr(config, "CPU_MAX_FILE", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if pod.wished:
        monkeypatch.setenv("OMP_NUM_THREADS", pod.wished)
    request = RunRequest.model_validate(merge(REQUEST, {"compute": {"cpu": pod.requested}}))
    assert config.cpu_threads(request) == threads


def test_fields_of_a_newer_release_are_passed_over(tmp_path: Path):
    (tmp_path / "job.json").write_text(json.dumps({**REQUEST, "fromTheFuture": 1}))
    assert config.read_request(tmp_path / "job.json").name == "job"


def test_a_job_file_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(MissingInput, match=r"job\.json does not exist"):
        config.read_request(tmp_path / "job.json")
    (tmp_path / "job.json").write_text(json.dumps(merge(REQUEST, {"training": {"batchSize": 0}})))
    with pytest.raises(BadSpec, match=r"spec\.training\.batchSize.*found 0"):
        config.read_request(tmp_path / "job.json")


def test_a_mounted_secret_is_read_without_its_bookkeeping(tmp_path: Path):
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data/HF_TOKEN").write_text("value\n")
    (tmp_path / "HF_TOKEN").symlink_to("..data/HF_TOKEN")
    credentials = Credentials.from_folder(tmp_path)
    assert credentials.values == {"HF_TOKEN": "value"}
    assert "value" not in repr(credentials)
    assert Credentials.from_folder(tmp_path / "absent").get("HF_TOKEN") is None


def test_a_user_without_a_name_gets_one_and_writes_for_the_group(tmp_path: Path):
    """As on OpenShift, which gives pods user ids that no image knows."""
    program = (
        "import getpass, pathlib; from finetune_trainer import config; config.settle_process();"
        f" pathlib.Path({str(tmp_path / 'file')!r}).touch(); print(getpass.getuser())"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    name = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert name.stdout == "finetune\n"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o664
