"""What the cache keeps of an object: all that decisions read. Most of a pod, and of a Job's template, is not that."""

from finetune_operator import managed_fields
from finetune_operator.kinds import JOB, POD, Manifest

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
POD_SPEC = ("nodeName", "schedulerName", "schedulingGates", "terminationGracePeriodSeconds")
POD_STATUS = ("phase", "reason", "message", "conditions", "podIP", "startTime")
CONTAINERS = ("initContainerStatuses", "containerStatuses")
CONTAINER = ("name", "image", "ready", "restartCount", "state", "lastState")


def trimmed(manifest: Manifest) -> Manifest:
    """Return the object as the cache keeps it: without what nothing reads. The object itself stays as it is."""
    found = managed_fields.trimmed(manifest)
    head = found["metadata"]
    if LAST_APPLIED in (head.get("annotations") or {}):
        head["annotations"] = {key: value for key, value in head["annotations"].items() if key != LAST_APPLIED}
    if manifest["kind"] == POD.kind:
        return {**found, "spec": _pod_spec(manifest), "status": _pod_status(manifest)}
    return {**found, "spec": _job_spec(manifest)} if manifest["kind"] == JOB.kind else found


def _pod_spec(pod: Manifest) -> Manifest:
    spec = pod.get("spec") or {}
    claims = [volume for volume in spec.get("volumes") or () if "persistentVolumeClaim" in volume]
    return {
        **_only(spec, POD_SPEC),
        "volumes": claims,
        "containers": [_asks(found) for found in spec.get("containers") or ()],
    }


def _asks(container: Manifest) -> Manifest:
    """Return how many devices a container holds: their resources have a slash in their names, unlike CPU and memory."""
    limits = (container.get("resources") or {}).get("limits") or {}
    devices = {name: count for name, count in limits.items() if "/" in name}
    return {"name": container["name"], **({"resources": {"limits": devices}} if devices else {})}


def _pod_status(pod: Manifest) -> Manifest:
    status = pod.get("status") or {}
    containers = {
        kind: [_only(container, CONTAINER) for container in status[kind]] for kind in CONTAINERS if status.get(kind)
    }
    return {**_only(status, POD_STATUS), **containers}


def _job_spec(job: Manifest) -> Manifest:
    """Return a Job's spec with the head of its template, which tells run and launch, and the images of its pods."""
    spec = {**(job.get("spec") or {})}
    for bulky in ("selector", "podFailurePolicy"):
        spec.pop(bulky, None)
    template = spec.get("template") or {}
    containers = (template.get("spec") or {}).get("containers") or ()
    images = {"containers": [_only(container, ("name", "image")) for container in containers]}
    return {**spec, "template": {**_only(template, ("metadata",)), "spec": images}}


def _only(data: Manifest | None, fields: tuple[str, ...]) -> Manifest:
    return {field: data[field] for field in fields if field in data} if data else {}
