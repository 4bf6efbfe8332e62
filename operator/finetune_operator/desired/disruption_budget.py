"""The PodDisruptionBudget of the serving pods: a drained node takes one of them at a time."""

from finetune_api.keys import LABEL_COMPONENT, LABEL_JOB_UID, Component
from finetune_operator.desired.metadata import child, service_name
from finetune_operator.kinds import DISRUPTION_BUDGET, Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob


def disruption_budget(job: FineTuneJob) -> Manifest | None:
    """Return the budget over the serving pods of all runs; None where one pod serves, whose node could never drain."""
    if job.spec.serving.replicas < 2:
        return None
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {LABEL_COMPONENT: Component.SERVING.value, LABEL_JOB_UID: job.uid}},
        # Pods that do not answer anyway hold up no drain.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return {**child(job, DISRUPTION_BUDGET, service_name(job), Component.SERVING), "spec": spec}
