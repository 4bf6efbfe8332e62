"""Situations that a FineTuneJob gets into, each with the status that the operator's own code gives it.

Tools which wait for a job are tried against all of them. Told of each is what kstatus and Argo CD should make of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crdgen.manifest import UNSEEN
from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from finetune_operator.kinds import Manifest
from tests.unit.operator.builders import Scene, unscheduled


@dataclass(frozen=True)
class Situation:
    """A named scene. kstatus: InProgress, Current, Failed or Terminating. health: Argo CD's word.

    health_message: what the health check says where it is not the status' own message.
    """

    name: str
    kstatus: str
    health: str
    make: Callable[[], Scene]
    health_message: str = ""

    def resource(self) -> Manifest:
        """The FineTuneJob as it is stored, with the fields that a Git tool would see."""
        resource = self.make().resource
        return {**resource, "metadata": {**resource["metadata"], "creationTimestamp": "2026-01-02T03:00:00Z"}}


def _new(**spec: Any) -> Scene:
    scene = Scene("imdb-sentiment", **spec)
    scene.resource["status"] = UNSEEN
    return scene


def _launched(**spec: Any) -> Scene:
    scene = _new(**spec)
    scene.act()
    return scene


def _at(stage: Stage, **said: Any) -> Scene:
    scene = _launched()
    scene.running_pod()
    scene.says(stage, step=100, **said).act()
    return scene


def _published(**spec: Any) -> Scene:
    return _new(**spec).succeeds()


def _served(**serving: Any) -> Scene:
    scene = _published(serving={"enabled": True, **serving})
    scene.becomes_available(scene.one("Deployment")).act()
    return scene


def _failed(scene: Scene | None = None) -> Scene:
    scene = scene or _launched()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "train.csv, line 3: no label."))
    scene.job_ends("Failed", "PodFailurePolicy", failed=1).act()
    return scene


def _without_gpu() -> Scene:
    scene = _launched(compute={"gpus": 1})
    message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    scene.pod(**unscheduled(message))["spec"].pop("nodeName")
    scene.act()
    return scene


def _waiting_for_source(base: Scene | None) -> Scene:
    scene = _new(model={"source": "job://base", "secretRef": None}).beside(*([base] if base else []))
    scene.act()
    return scene


def _circle() -> Scene:
    name = "imdb-sentiment"
    other = Scene("base", model={"source": f"job://{name}", "secretRef": None})
    scene = _new(model={"source": "job://base", "secretRef": None})
    scene.beside(other, scene).act()
    return scene


def _base() -> Scene:
    base = Scene("base")
    base.act()
    return base


def _stopping() -> Scene:
    scene = _at(Stage.TRAIN)
    scene.edit(suspend=True).act()
    return scene


def _suspended() -> Scene:
    scene = _stopping()
    scene.remove(scene.of_kind("Pod")[0]).act()
    return scene


def _resumed() -> Scene:
    scene = _suspended()
    scene.edit(suspend=False).act()
    return scene


def _never_started() -> Scene:
    scene = _new(suspend=True)
    scene.act()
    return scene


def _queued() -> Scene:
    scene = _launched()
    scene.training_job["spec"]["suspend"] = True
    scene.training_job["metadata"]["managedFields"] = [{"manager": "kueue", "fieldsV1": {"f:spec": {"f:suspend": {}}}}]
    scene.act()
    return scene


def _retrying() -> Scene:
    scene = _launched()
    scene.ended_pod(71, scene.report(FailureClass.OUT_OF_MEMORY, "The GPU has 80 GB."))
    scene.act()
    return scene


def _next_run(*, suspend: bool = False) -> Scene:
    scene = _served()
    scene.edit(training={"learningRate": 1e-3}, suspend=suspend).act()
    return scene


def _server_down(*, suspend: bool = False) -> Scene:
    scene = _next_run(suspend=suspend)
    scene.one("Deployment")["status"]["availableReplicas"] = 0
    scene.act()
    return scene


def _refused_server() -> Scene:
    scene = _published(serving={"enabled": True})
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    state = {"name": "server", "image": "trainer:tpyo", "state": waiting}
    scene.serving_pod(scene.one("Deployment"), containerStatuses=[state])
    scene.act()
    return scene


def _invalid() -> Scene:
    scene = _launched()
    scene.edit(tuning={"method": "Prefix"}).act()
    return scene


def _deleted(*finalizers: str) -> Scene:
    scene = _at(Stage.TRAIN)
    scene.resource["metadata"] |= {"deletionTimestamp": "2026-01-02T03:10:00Z", "finalizers": list(finalizers)}
    scene.act()
    return scene


SITUATIONS = (
    Situation("unseen", "InProgress", "Progressing", _new, "The operator has not seen the job yet."),
    Situation("launched", "InProgress", "Progressing", _launched),
    Situation("no-gpu-free", "InProgress", "Progressing", _without_gpu),
    Situation("source-missing", "InProgress", "Progressing", lambda: _waiting_for_source(None)),
    Situation("source-training", "InProgress", "Progressing", lambda: _waiting_for_source(_base())),
    Situation("source-failed", "InProgress", "Progressing", lambda: _waiting_for_source(_failed(_base()))),
    Situation("source-circle", "Failed", "Degraded", _circle),
    Situation("training", "InProgress", "Progressing", lambda: _at(Stage.TRAIN)),
    Situation(
        "waiting-for-store",
        "InProgress",
        "Progressing",
        lambda: _at(Stage.PUSH, waiting="s3://b/x: the store answers 503; waiting for 4m00s, for up to 1h56m more"),
    ),
    Situation("retrying", "InProgress", "Progressing", _retrying),
    Situation("evaluating", "InProgress", "Progressing", lambda: _at(Stage.EVALUATE)),
    Situation("publishing", "InProgress", "Progressing", lambda: _at(Stage.PUSH)),
    Situation(
        "edited-unseen",
        "InProgress",
        "Progressing",
        lambda: _served().edit(training={"learningRate": 1e-3}),
        "The operator has not seen the last change yet.",
    ),
    Situation("stopping", "InProgress", "Suspended", _stopping),
    Situation("suspended", "Current", "Suspended", _suspended),
    Situation("suspended-from-the-start", "Current", "Suspended", _never_started),
    Situation("suspended-beside-served", "Current", "Suspended", lambda: _next_run(suspend=True)),
    Situation("suspended-and-server-down", "InProgress", "Suspended", lambda: _server_down(suspend=True)),
    Situation("queued-by-kueue", "InProgress", "Suspended", _queued),
    Situation("resumed", "InProgress", "Progressing", _resumed),
    Situation("published", "Current", "Healthy", _published),
    Situation("deploying", "InProgress", "Progressing", lambda: _published(serving={"enabled": True})),
    Situation("server-without-image", "InProgress", "Progressing", _refused_server),
    Situation("served", "Current", "Healthy", _served),
    Situation("scaled-to-zero", "Current", "Healthy", lambda: _served(replicas=0)),
    Situation("next-run-beside-served", "InProgress", "Progressing", _next_run),
    Situation("next-run-and-server-down", "InProgress", "Progressing", _server_down),
    Situation("next-run-failed", "Failed", "Degraded", lambda: _failed(_next_run())),
    Situation("failed", "Failed", "Degraded", _failed),
    Situation("invalid", "Failed", "Degraded", _invalid),
    Situation(
        "failed-and-edited",
        "InProgress",
        "Progressing",
        lambda: _failed().edit(retry="2"),
        "The operator has not seen the last change yet.",
    ),
    Situation("deleted", "Terminating", "Progressing", _deleted),
    Situation("deleted-but-kept", "Terminating", "Progressing", lambda: _deleted("example.com/backup")),
)
