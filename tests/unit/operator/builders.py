"""A scene: a FineTuneJob with its children as plain manifests, and the pure part of the operator acting on it.

`Scene().act()` decides and carries the plan out on the manifests, so that a test reads as a story: what the cluster
does is said by the test, what the operator does is what `decide` planned.
"""

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from finetune_api.failures import FailureClass
from finetune_api.handoff import Artifact, Failure, Metrics, Progress, Stage, TerminationReport
from finetune_api.keys import MANAGED_BY, ConditionType
from finetune_operator.cluster.trimmed import trimmed
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of, timestamp, uid_of
from finetune_operator.resource.chains import view_of
from finetune_operator.resource.containers import TRAINER
from finetune_operator.resource.fine_tune_job import FineTuneJob, parse_resource
from finetune_operator.state.children.contest import ChildKey, Repair
from finetune_operator.state.decide import decide
from finetune_operator.state.observed import Observed, Refusal, previous_status
from finetune_operator.state.plan import Merge, Plan, Policy
from finetune_operator.state.training.recorded import as_recorded
from tests.builders import finetune_job, merge

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POLICY = Policy(trainer_image="trainer:1")
DIGEST = "sha256:" + "a" * 64
METRICS = Metrics(train={"loss": 0.2}, evaluation={"accuracy": 0.9123}, baseline={"accuracy": 0.5081})


class Scene:
    """One FineTuneJob and what is around it."""

    def __init__(self, name: str = "job", **spec: Any) -> None:
        self.resource = finetune_job(name, **spec)
        self.resource["metadata"] |= {"uid": "uid-of-job", "generation": 1, "resourceVersion": "1"}
        self.children: list[Manifest] = []
        self.departed: list[Manifest] = []
        self.foreign: list[Manifest] = []
        self.events: list[Manifest] = []
        self.refusal: Refusal | None = None
        self.progress: Progress | None = None
        self.others: list[Scene] = []
        self.policy = POLICY
        self.repairs: dict[ChildKey, Repair] = {}
        self.now = NOW
        self._count = 0

    # What a person does.

    def edit(self, **spec: Any) -> "Scene":
        self.resource = {**self.resource, "spec": merge(self.resource["spec"], spec)}
        self.resource["metadata"] = {**self.resource["metadata"], "generation": self.generation + 1}
        return self

    def remove(self, manifest: Manifest, *, seen: bool = True) -> "Scene":
        """Take an object away; unless seen, its last state counts as not yet told in the status."""
        self.children.remove(manifest)
        if not seen:
            self.departed.append(manifest)
        return self

    def beside(self, *others: "Scene") -> "Scene":
        """Let these FineTuneJobs be in the same namespace, and no others."""
        self.others = list(others)
        return self

    # What the cluster does.

    def pod(self, **status: Any) -> Manifest:
        """Add a pod of the live training Job."""
        return self._add_pod(self.training_job, f"{name_of(self.training_job)}-{self._count}", status)

    def serving_pod(self, deployment: Manifest, **status: Any) -> Manifest:
        """Add a pod of a Deployment."""
        return self._add_pod(deployment, f"{name_of(deployment)}-{self._count}", status)

    def running_pod(self) -> Manifest:
        state = {"name": TRAINER, "state": {"running": {}}}
        return self.pod(phase="Running", podIP="10.0.0.7", containerStatuses=[state])

    def ended_pod(self, exit_code: int, report: TerminationReport | None = None, **terminated: Any) -> Manifest:
        """Add a pod whose trainer has ended."""
        end: Manifest = {"exitCode": exit_code, **terminated}
        if report:
            end["message"] = json.dumps(report.to_wire())
        status = {"name": TRAINER, "state": {"terminated": end}}
        return self.pod(phase="Succeeded" if exit_code == 0 else "Failed", containerStatuses=[status])

    def job_ends(self, kind: str, reason: str = "", message: str = "", failed: int = 0) -> "Scene":
        conditions = [{"type": kind, "status": "True", "reason": reason, "message": message}]
        self.training_job["status"] = {"conditions": conditions, "failed": failed}
        return self

    def succeeds(self) -> "Scene":
        """Let the run's pod and Job succeed, and the operator see it."""
        self.act()
        self.ended_pod(0, self.report())
        self.job_ends("Complete")
        self.act()
        return self

    def somebody_sets(self, child: Manifest, path: str, value: Any, manager: str = "kubectl-edit") -> "Scene":
        """Let somebody else than the operator change a field, such as spec.replicas, and the record tell of it."""
        *parents, last = path.split(".")
        place = child
        for step in parents:
            place = place[step]
        place[last] = value
        ours = child["metadata"]["managedFields"][0]["fieldsV1"]
        theirs: Manifest = {}
        child["metadata"]["managedFields"].append({"manager": manager, "fieldsV1": theirs})
        for step in parents:
            ours, theirs = ours[f"f:{step}"], theirs.setdefault(f"f:{step}", {})
        theirs[f"f:{last}"] = ours.pop(f"f:{last}", {})
        return self

    def becomes_available(self, deployment: Manifest) -> "Scene":
        count = deployment["spec"]["replicas"]
        counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), count)
        deployment["status"] = {"observedGeneration": 1, **counts}
        return self

    def refuse(self, kind: str, name: str, message: str, verb: str = "apply", *, lasting: bool = False) -> "Scene":
        """Let the API server refuse a child, or fail time and again."""
        self.refusal = Refusal(kind, name, message, verb, lasting=lasting)
        return self

    def event(self, about: Manifest, reason: str, message: str) -> "Scene":
        involved = {"kind": about["kind"], "name": name_of(about), "uid": uid_of(about)}
        time = timestamp(self.now + timedelta(seconds=len(self.events)))
        self.events.append({"reason": reason, "message": message, "involvedObject": involved, "lastTimestamp": time})
        return self

    def says(self, stage: Stage, step: int = 0, total: int | None = 200, **values: Any) -> "Scene":
        """Let the newest pod report progress."""
        self.progress = Progress(run_id=self.job.run_id, stage=stage, step=step, total_steps=total, **values)
        return self

    # What the operator does.

    def observed(self) -> Observed:
        pods = self.of_kind("Pod")
        return Observed(
            resource=self.resource,
            children=tuple(self.children),
            departed=tuple(self.departed),
            foreign=tuple(self.foreign),
            events=tuple(self.events),
            progress=self.progress,
            refusal=self.refusal,
            sources={name_of(other.resource): view_of(other.resource) for other in self.others},
            repairs=self.repairs,
            progress_pod_uid=uid_of(pods[-1]) if pods and self.progress else "",
        )

    def decide(self) -> Plan:
        """Decide, and make sure that what the cache keeps of each object would say the same."""
        observed = self.observed()
        plan = decide(observed, self.policy, self.now)
        kept = replace(
            observed,
            resource=trimmed(observed.resource),
            children=tuple(map(trimmed, observed.children)),
            departed=tuple(map(trimmed, observed.departed)),
        )
        assert _essence(decide(kept, self.policy, self.now)) == _essence(plan)
        return plan

    def act(self) -> Plan:
        """Decide, and carry the plan out. Deleted objects stay, deleting, until `garbage_collect`."""
        return self.carry_out(self.decide())

    def carry_out(self, plan: Plan) -> Plan:
        """Do what a plan says to the manifests; return it."""
        for child in plan.applies:
            self._apply(child)
        for change in plan.merges:
            change.live["spec"] = merge(change.live["spec"], change.changes.get("spec", {}))
            change.live["metadata"] = merge(change.live["metadata"], change.changes.get("metadata", {}))
        for child in plan.deletes:
            child["metadata"]["deletionTimestamp"] = timestamp(self.now)
        if plan.status is not None:
            self.resource = {**self.resource, "status": plan.status}
            self.departed = []
        return plan

    def garbage_collect(self) -> "Scene":
        gone = {uid_of(child) for child in self.children if child["metadata"].get("deletionTimestamp")}
        owned = lambda child: {reference["uid"] for reference in child["metadata"]["ownerReferences"]}  # noqa: E731
        self.children = [child for child in self.children if uid_of(child) not in gone and not owned(child) & gone]
        return self

    # What a test looks at.

    @property
    def job(self) -> FineTuneJob:
        previous = previous_status(self.resource)
        return as_recorded(parse_resource(self.resource).reading(tuple(previous.sources or ())), previous)

    @property
    def generation(self) -> int:
        return int(self.resource["metadata"]["generation"])

    @property
    def status(self) -> Manifest:
        return self.resource.get("status") or {}

    @property
    def training_job(self) -> Manifest:
        return self.of_kind("Job")[-1]

    def of_kind(self, kind: str) -> list[Manifest]:
        return [child for child in self.children if child["kind"] == kind]

    def one(self, kind: str) -> Manifest:
        (found,) = self.of_kind(kind)
        return found

    def condition(self, kind: ConditionType | str) -> str | None:
        return next((c["status"] for c in self.status.get("conditions", ()) if c["type"] == kind), None)

    def report(self, failure: FailureClass | None = None, message: str = "", **fields: Any) -> TerminationReport:
        """Return a last word of the present run: a success with an artifact, or a failure."""
        run_id = self.job.run_id
        if failure:
            return TerminationReport(run_id=run_id, failure=Failure(failure_class=failure, message=message), **fields)
        uri = f"{self.job.spec.output.destination}/{run_id}"
        artifact = Artifact(uri=uri, digest=DIGEST, size_bytes=1000)
        progress = Progress(run_id=run_id, stage=Stage.PUSH, step=200, total_steps=200)
        return TerminationReport(run_id=run_id, artifact=artifact, metrics=METRICS, progress=progress, **fields)

    def _apply(self, child: Manifest) -> None:
        known = next((c for c in self.children if (c["kind"], name_of(c)) == (child["kind"], name_of(child))), None)
        if known is None:
            self.children.append(self._stored(deepcopy(child)))
            self.children[-1]["metadata"]["managedFields"] = [applied_fields(child)]
        else:
            known["spec"] = deepcopy(child.get("spec"))
            known["metadata"]["annotations"] = dict(child["metadata"]["annotations"])
            known["metadata"]["managedFields"] = [applied_fields(child)]

    def _stored(self, manifest: Manifest) -> Manifest:
        self._count += 1
        created = timestamp(self.now + timedelta(seconds=self._count))
        manifest["metadata"] |= {"uid": f"uid-{self._count}", "generation": 1, "creationTimestamp": created}
        return manifest

    def _add_pod(self, owner: Manifest, name: str, status: Manifest) -> Manifest:
        template = owner["spec"]["template"]
        reference = {"kind": owner["kind"], "name": name_of(owner), "uid": uid_of(owner), "controller": True}
        metadata = {**deepcopy(template["metadata"]), "name": name, "namespace": "default"}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "ownerReferences": [reference]},
            "spec": {**template["spec"], "nodeName": "node-1"},
            "status": {"phase": "Pending", **status},
        }
        self.children.append(self._stored(pod))
        return pod


def applied_fields(manifest: Manifest) -> Manifest:
    """Return the record that server-side apply keeps of the operator's fields; lists of named items are merged."""

    def fields(value: Any) -> Manifest:
        if isinstance(value, dict):
            return {f"f:{key}": fields(item) for key, item in value.items()}
        if isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value):
            return {f"k:{json.dumps({'name': item['name']})}": {".": {}, **fields(item)} for item in value}
        return {}

    parts = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
    return {"manager": MANAGED_BY, "operation": "Apply", "fieldsV1": fields(parts)}


def _essence(plan: Plan) -> Plan:
    """Return a plan that only names what it changes and deletes."""
    deletes = [{"kind": child["kind"], "name": name_of(child)} for child in plan.deletes]
    merges = [Merge({"name": name_of(change.live)}, change.changes) for change in plan.merges]
    return replace(plan, deletes=tuple(deletes), merges=tuple(merges))


def kinds(plan: Plan) -> list[str]:
    """Return the kinds that a plan applies, in order."""
    return [child["kind"] for child in plan.applies]


def reasons(plan: Plan) -> list[str]:
    """Return the reasons of the Events that a plan records."""
    return [note.reason for note in plan.notes]


def is_idle(plan: Plan) -> bool:
    """Whether the plan writes nothing."""
    return not (plan.applies or plan.merges or plan.deletes or plan.notes) and plan.status is None


def unscheduled(message: str) -> Manifest:
    """Return the status of a pod that finds no node, by the scheduler's words."""
    verdict = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [verdict]}
