"""Every alert of the chart fires, and is resolved, in a real Prometheus that scrapes a real operator.

Server and exporters are the real ones, too; the kubelet and a training's figures are played. All durations of the rules
are shortened alike.
"""

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster import Access
from finetune_api.failures import FailureClass
from tests.integration.operator.alert_scene import CLOSED, Scene, open_namespace, operated
from tests.integration.operator.hastened import alert_names, hastened
from tests.integration.operator.runs import failure
from tests.prometheus import running_prometheus

OPERATOR_PORT = 18380
HEALTHY_SECONDS = 12
"""What is compared with before needs some before."""
FIRES_WITHIN_SECONDS = RESOLVED_WITHIN_SECONDS = 180
WAIT_FOR_ROOM = {("FineTuneJobPendingTooLong", "queued"), ("FineTuneJobPendingTooLong", "image")}

Act = Callable[[Scene], object]


def nothing(_: Scene) -> None:
    """What the fault before it does."""


@dataclass(frozen=True)
class Fault:
    """What makes an alert fire, and what resolves it.

    about: the FineTuneJob that it names, if it names one. meanwhile: what has to go on until it fires.
    """

    alert: str
    about: str
    provoke: Act
    mend: Act
    meanwhile: Act = nothing


def trainer(**figures: object) -> Act:
    """Let the training of `trains` tell other figures."""
    return lambda scene: [setattr(scene.trainer, name, value) for name, value in figures.items()]


def fails(name: str, kind: FailureClass, exit_code: int) -> Act:
    return lambda scene: scene.bench.end_pod(
        scene.pods[name], exit_code, failure(scene.bench.status(name), kind, "as the test wants it")
    )


def deleted(name: str) -> Act:
    return lambda scene: scene.bench.kubectl("delete", "ftj", name, "--wait=false")


def ready(name: str, *, ready: bool) -> Act:
    return lambda scene: scene.be_ready(name, ready=ready)


def starts(name: str) -> Act:
    """Let a pod find its node, and its image."""
    return lambda scene: scene.bench.run_pod(scene.pods[name])


def pulled(scene: Scene) -> None:
    scene.bench.report_pod(scene.pods["image"], {"trainer": {"running": {}}}, phase="Running", podIP="127.0.0.9")


def asks_for(tokens: int) -> Act:
    return lambda scene: setattr(scene.clients, "tokens", tokens)


def gpu(utilization: float) -> Act:
    return lambda scene: scene.trainer.gpu_utilization.labels("0").set(utilization)


JOBS_AND_SERVERS = [
    Fault("FineTuneJobPendingTooLong", "queued", nothing, starts("queued")),
    Fault("FineTuneJobBlocked", "image", Scene.cannot_pull, pulled),
    Fault("FineTuneJobFailed", "bad", fails("bad", FailureClass.BAD_DATA, 65), deleted("bad")),
    Fault("FineTuneLossNotFinite", "nan", fails("nan", FailureClass.NON_FINITE_LOSS, 72), deleted("nan")),
    Fault("FineTuneJobStalled", "trains", trainer(stalls=True), trainer(stalls=False)),
    Fault("FineTuneLossDiverges", "trains", trainer(loss=20.0), trainer(loss=1.0)),
    Fault("FineTuneThroughputCollapsed", "trains", trainer(samples_per_second=3.0), trainer(samples_per_second=100.0)),
    Fault("FineTuneGPUIdle", "trains", gpu(0.0), gpu(0.9)),
    Fault(
        "FineTuneStoreUnavailable",
        "store",
        lambda scene: scene.waits_for_store("for http://store, which does not answer"),
        lambda scene: scene.waits_for_store(None),
    ),
    Fault(
        "FineTuneWorkspaceNearlyFull",
        "trains",
        Scene.fill_workspace,
        lambda scene: (scene.trainer.workspace / "checkpoint").unlink(),
    ),
    Fault("FineTuneServingDown", "down", ready("down", ready=False), ready("down", ready=True)),
    Fault("FineTuneServingNotReady", "half", ready("half", ready=False), ready("half", ready=True)),
    Fault("FineTuneServingErrors", "half", Scene.ask_while_it_loads, nothing),
    Fault("FineTuneServingSlow", "half", nothing, asks_for(1)),
]
OPERATOR = [
    [
        Fault("FineTuneOperatorReconcileErrors", "", Scene.bar_statuses, Scene.free_statuses, Scene.touch),
        Fault("FineTuneServesOtherDigest", "half", nothing, nothing),
    ],
    [
        Fault(
            "FineTuneOperatorNamespaceUnreadable",
            "",
            lambda scene: scene.bench.cluster.run_kubectl("-n", CLOSED, "delete", "rolebinding", "operator"),
            lambda scene: open_namespace(scene.bench.cluster, CLOSED),
        )
    ],
    [
        Fault(
            "FineTuneOperatorFallsBehind",
            "",
            lambda scene: scene.hold_up(signal.SIGSTOP),
            lambda scene: scene.hold_up(signal.SIGCONT),
        )
    ],
    [Fault("FineTuneOperatorDown", "", lambda scene: scene.bench.operator.kill(), Scene.usurp)],
    [
        Fault(
            "FineTuneOperatorNoLeader",
            "",
            nothing,
            lambda scene: scene.bench.kubectl("delete", "lease", "finetune-operator"),
        )
    ],
]
ROUNDS = [JOBS_AND_SERVERS, *OPERATOR]


def test_each_alert_has_its_fault():
    assert sorted(fault.alert for faults in ROUNDS for fault in faults) == sorted(alert_names())


def firing(scene: Scene) -> set[tuple[str, str]]:
    """Return name, and FineTuneJob if there is one, of the alerts that fire."""
    found = scene.prometheus.query('ALERTS{alertstate="firing"}')
    return {(one["metric"]["alertname"], one["metric"].get("name", "")) for one in found}


def fire(scene: Scene, faults: list[Fault]) -> None:
    """Provoke all, and wait until each has fired; a fault may be over before the last one fires."""
    wanted = {(fault.alert, fault.about) for fault in faults}
    seen: set[tuple[str, str]] = set()
    for fault in faults:
        fault.provoke(scene)
    deadline = time.monotonic() + FIRES_WITHIN_SECONDS
    while not wanted <= (seen := seen | firing(scene)):
        assert time.monotonic() < deadline, f"has not fired: {wanted - seen}"
        for fault in faults:
            fault.meanwhile(scene)
        time.sleep(0.5)
    for alert, about in sorted(wanted):
        print(f"{time.strftime('%X')} fired {alert} {about}")


def resolve(scene: Scene, faults: list[Fault], left: set[tuple[str, str]]) -> None:
    """Mend all, and wait until none fires but those that are left."""
    for fault in faults:
        fault.mend(scene)
    deadline = time.monotonic() + RESOLVED_WITHIN_SECONDS
    while not (found := firing(scene)) <= left:
        assert time.monotonic() < deadline, f"still firing: {found - left}"
        time.sleep(0.5)
    print(f"{time.strftime('%X')} resolved {', '.join(fault.alert for fault in faults)}")


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.timeout(1200, func_only=True)
def test_each_alert_fires_and_is_resolved(api: Access, tmp_path: Path) -> None:
    with ExitStack() as stack:
        bench = stack.enter_context(operated(api, tmp_path, OPERATOR_PORT))
        rules = hastened(tmp_path)
        prometheus = stack.enter_context(running_prometheus(tmp_path, f"127.0.0.1:{OPERATOR_PORT}", rules))
        scene = Scene(bench, prometheus, tmp_path, stack)
        scene.set_up()
        healthy_since = time.monotonic()
        while time.monotonic() < healthy_since + HEALTHY_SECONDS:
            assert firing(scene) <= WAIT_FOR_ROOM
            time.sleep(1)
        for faults in ROUNDS:
            # Another holds the Lease when the operator is back.
            left = {("FineTuneOperatorNoLeader", "")} if faults[0].alert == "FineTuneOperatorDown" else set()
            fire(scene, faults)
            resolve(scene, faults, left)
            scene.ask_no_more()
