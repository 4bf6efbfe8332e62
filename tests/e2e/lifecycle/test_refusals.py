"""Jobs that cannot run, and what the resource says about it."""

import time
from collections.abc import Callable

import pytest

from tests.builders import Manifest
from tests.e2e.lifecycle.conftest import Bench, phase_is, reason_is

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

WITHIN_SECONDS = 10


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        pytest.param({"compute": {"gpus": 1, "memory": "900Gi"}}, "Unschedulable", "memory", id="too-large"),
        pytest.param({"compute": {"nodeSelector": {"zone": "mars"}}}, "Unschedulable", "nodeSelector", id="no-node"),
        pytest.param({"compute": {"image": "127.0.0.1:1/no:1"}}, "ImagePullFailed", "127.0.0.1:1/no:1", id="image"),
        pytest.param({"dataset": {"secretRef": {"name": "absent"}}}, "SecretNotFound", "absent", id="secret"),
        pytest.param({"storage": {"storageClassName": "absent"}}, "VolumeNotReady", "absent", id="class"),
        pytest.param({"storage": {"existingClaim": "absent"}}, "VolumeNotReady", "absent", id="claim"),
    ],
)  # fmt: skip
def test_reason_is_on_the_resource(
    bench: Bench, job: Callable[..., Manifest], spec: Manifest, reason: str, words: str
) -> None:
    started = time.monotonic()
    name = bench.apply(job(**spec))
    status = bench.wait(name, reason_is(reason), 30)
    assert time.monotonic() - started < WITHIN_SECONDS
    assert words in status["message"]


def test_quota_is_named(bench: Bench, job: Callable[..., Manifest]) -> None:
    bench.cluster.run_kubectl("create", "quota", "no-pods", "--hard=pods=0")
    try:
        status = bench.wait(bench.apply(job()), reason_is("QuotaExceeded"), WITHIN_SECONDS)
        assert "no-pods" in status["message"]
    finally:
        bench.cluster.run_kubectl("delete", "quota", "no-pods")


def test_code_that_is_missing_is_asked_for_and_no_python_is_refused(bench: Bench, job: Callable[..., Manifest]) -> None:
    python = {"configMapKeyRef": {"name": "own-rewards", "key": "reward.py"}}
    grpo = {"rewardFunctions": [{"name": "own", "type": "Python", "python": python}]}
    name = bench.apply(job(task="GRPO", grpo=grpo, dataset={"columns": {"prompt": "text"}}))
    status = bench.wait(name, reason_is("ConfigMapNotFound"), 30)
    assert "ConfigMap own-rewards (spec.grpo.rewardFunctions[own].python.configMapKeyRef)" in status["message"]
    bench.cluster.run_kubectl("create", "configmap", "own-rewards", "--from-literal=reward.py=def reward(:")
    try:
        status = bench.wait(name, phase_is("Failed"), 180)
        assert status["reason"] == "BadSpec"
        assert "key reward.py of ConfigMap own-rewards, line 1 is not Python" in status["message"]
    finally:
        bench.cluster.run_kubectl("delete", "configmap", "own-rewards")


def test_bad_row_fails_without_retries(bench: Bench, job: Callable[..., Manifest]) -> None:
    name = bench.apply(job(dataset={"train": {"source": "s3://finetune/data/bad.csv"}}))
    status = bench.wait(name, phase_is("Failed"), 60)
    assert status["reason"] == "BadData"
    assert "bad.csv" in status["message"]
    assert "22" in status["message"]
    assert len(bench.objects("pods", name)) == 1
