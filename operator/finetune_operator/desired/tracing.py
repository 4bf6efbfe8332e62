"""The variables by which a training pod's spans become part of the run's trace, and find the collector.

They are no part of the launch: pods keep what they were launched with, and a change of them launches nothing anew.
"""

from dataclasses import dataclass

from finetune_api.traces import (
    NODE_NAME,
    OTLP_ENDPOINT,
    OTLP_HEADERS,
    POD_NAME,
    POD_UID,
    RESOURCE_ATTRIBUTES,
    TRACEPARENT,
    launch_span,
    traceparent,
)
from finetune_operator.kinds import Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob

POD_FIELDS = {
    POD_NAME: ("k8s.pod.name", "metadata.name"),
    POD_UID: ("k8s.pod.uid", "metadata.uid"),
    NODE_NAME: ("k8s.node.name", "spec.nodeName"),
}
"""Attribute and field of the pod that each variable holds."""


@dataclass(frozen=True)
class TraceExport:
    """Where training pods send their spans. headers: name and key of a Secret beside them, which may be absent."""

    endpoint: str
    headers: tuple[str, str] | None = None


def trace_environment(job: FineTuneJob, export: TraceExport | None) -> list[Manifest]:
    """Return the variables, without those that the spec sets itself; none where no traces are made."""
    if export is None:
        return []
    values = {
        OTLP_ENDPOINT: export.endpoint,
        TRACEPARENT: traceparent(launch_span(job.uid, job.run_id, job.launch)),
        RESOURCE_ATTRIBUTES: ",".join(f"{name}=$({variable})" for variable, (name, _) in POD_FIELDS.items()),
    }
    found: list[Manifest] = [
        {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
        for name, (_, path) in POD_FIELDS.items()
    ]
    found += [{"name": name, "value": value} for name, value in values.items()]
    if export.headers:
        name, key = export.headers
        secret = {"name": name, "key": key, "optional": True}
        found.append({"name": OTLP_HEADERS, "valueFrom": {"secretKeyRef": secret}})
    given = {variable.name for variable in job.spec.compute.env or ()}
    return [variable for variable in found if variable["name"] not in given]
