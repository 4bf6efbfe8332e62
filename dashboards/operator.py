"""Operator: does it keep up, and is it well?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.page import Variable, page
from dashboards.panels import Column, Panel, Query, figure, graph, rows

HERE = 'job=~"$job", instance=~"$instance"'
VARIABLES = [
    Variable("job", "Job", "finetune_operator_build_info", many=True),
    Variable("instance", "Instance", 'finetune_operator_build_info{job=~"$job"}', many=True),
]
BY_INSTANCE = "{{instance}}"


def operator() -> Dashboard:
    """The operator's own pods."""
    return page(
        "operator",
        "Fine-tuning / Operator",
        "The operator itself: reconciliations, queue, the API server, memory.",
        VARIABLES,
        {"Now": _now(), "Reconciliations": _reconciles(), "API server": _api(), "Process": _process()},
    )


def _rate(metric: str, *labels: str, more: str = "") -> str:
    return f"sum by ({', '.join(labels)}) (rate({metric}{{{HERE}{more}}}[$__rate_interval]))"


def _now() -> list[Panel]:
    too_few = {0.0: "red", 1.0: "green"}
    listed = f"count(finetune_operator_namespace_listed{{{HERE}}} == 0) or vector(0)"
    return [
        figure(
            "Replicas", "Operator pods that answer.", "short", Query(f"count(finetune_operator_build_info{{{HERE}}})")
        ),
        figure(
            "Leaders",
            "Pods that act; exactly one for each installation.",
            "short",
            Query(f"sum(finetune_operator_leader{{{HERE}}})"),
            thresholds=too_few,
        ),
        figure(
            "Unreadable namespaces",
            "Watched namespaces that could not be listed.",
            "short",
            Query(listed),
            thresholds={1.0: "red"},
        ),
        figure(
            "Longest wait",
            "How long the oldest job has waited to be reconciled.",
            "s",
            Query(f"max(finetune_operator_queue_oldest_wait_seconds{{{HERE}}})"),
            thresholds={60.0: "orange", 300.0: "red"},
        ),
        rows(
            "Versions",
            "Which release each pod runs.",
            Column(f"max by (instance, pod, version) (finetune_operator_build_info{{{HERE}}})", "Running"),
            width=8,
            height=4,
        ),
    ]


def _reconciles() -> list[Panel]:
    lasted = _rate("finetune_operator_reconcile_duration_seconds_bucket", "le")
    return [
        graph(
            "Reconciliations",
            "Reconciliations, by result.",
            "ops",
            Query(_rate("finetune_operator_reconcile_total", "result"), "{{result}}"),
            stacked=True,
        ),
        graph(
            "Duration of a reconciliation",
            "Time that half of the reconciliations took at most, and all but 1 %.",
            "s",
            *(Query(f"histogram_quantile({share}, {lasted})", f"{share:.0%}") for share in (0.5, 0.99)),
        ),
        graph(
            "Queue",
            "Jobs that wait to be reconciled.",
            "short",
            Query(f"sum by (instance) (finetune_operator_queue_depth{{{HERE}}})", BY_INSTANCE),
        ),
    ]


def _api() -> list[Panel]:
    requests = "finetune_operator_api_requests_total"
    return [
        graph(
            "Requests",
            "Requests to the API server, by verb.",
            "reqps",
            Query(_rate(requests, "verb"), "{{verb}}"),
            width=12,
        ),
        graph(
            "Answers by code",
            "Answers of the API server, and requests without one (error). Some 404 and 409 are part of the work.",
            "reqps",
            Query(_rate(requests, "code"), "{{code}}"),
            width=12,
        ),
    ]


def _process() -> list[Panel]:
    return [
        graph(
            "Memory",
            "Resident memory of the process. The chart's limit is resources.limits.memory.",
            "bytes",
            Query(f"max by (instance) (process_resident_memory_bytes{{{HERE}}})", BY_INSTANCE),
        ),
        graph(
            "CPU",
            "Processors that the process keeps busy.",
            "short",
            Query(_rate("process_cpu_seconds_total", "instance"), BY_INSTANCE),
        ),
        graph(
            "Open files",
            "Open files and connections of the process.",
            "short",
            Query(f"max by (instance) (process_open_fds{{{HERE}}})", BY_INSTANCE),
        ),
    ]
