"""The Service in front of the serving pods."""

from finetune_api.keys import LABEL_RUN, Component
from finetune_operator.desired.deployment import selector
from finetune_operator.desired.metadata import child, service_name
from finetune_operator.kinds import SERVICE, Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob


def service(job: FineTuneJob, run_id: str) -> Manifest:
    """Return the Service, which sends requests to the pods of one run."""
    spec = {
        "selector": selector(job, run_id),
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
    }
    return {**child(job, SERVICE, service_name(job), Component.SERVING), "spec": spec}


def served_run(live: Manifest) -> str:
    """Return the id of the run that a live Service sends requests to."""
    return str((live["spec"].get("selector") or {}).get(LABEL_RUN, ""))


def address(job: FineTuneJob) -> str:
    """Return the Service's URL inside the cluster."""
    return f"http://{service_name(job)}.{job.namespace}.svc"
