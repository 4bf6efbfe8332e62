"""Fleet: what runs, what waits and why, what it costs, what fails."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.page import Variable, link_to, newest, page
from dashboards.panels import Column, Panel, Query, bars, figure, graph, rows

HERE = 'namespace=~"$namespace"'
VARIABLES = [Variable("namespace", "Namespace", "finetune_jobs", many=True)]
GPUS = newest("finetune_job_gpus", HERE, "namespace", "name", "component")
TO_JOB = link_to("job", "Show the job")


def fleet() -> Dashboard:
    """All jobs of the namespaces."""
    return page(
        "fleet",
        "Fine-tuning / Fleet",
        "What runs, what waits and why, GPU-hours and cost by namespace, failures by class.",
        VARIABLES,
        {"Now": [*_counts(), _phases(), _running(), _waiting()], "GPUs and cost": _cost(), "Outcomes": _outcomes()},
    )


def _in_phase(pattern: str) -> Query:
    jobs = newest("finetune_jobs", f'{HERE}, phase=~"{pattern}"', "namespace", "phase")
    return Query(f"sum({jobs}) or vector(0)")


def _counts() -> list[Panel]:
    failed = {1.0: "red"}
    gpus = Query(f"sum({GPUS}) or vector(0)")
    return [
        figure(
            "Working", "Jobs that train, evaluate or publish.", "short", _in_phase("Training|Evaluating|Publishing")
        ),
        figure("Waiting", "Jobs whose run has not begun: see the table for why.", "short", _in_phase("Pending")),
        figure("Suspended", "Jobs that were told to wait.", "short", _in_phase("Suspended")),
        figure("Done", "Jobs that are published, or served.", "short", _in_phase("Succeeded|Ready|Deploying")),
        figure("Failed", "Jobs whose run failed.", "short", _in_phase("Failed"), thresholds=failed),
        figure("GPUs held", "GPUs of the pods that train or serve now.", "short", gpus),
    ]


def _phases() -> Panel:
    by_phase = f"sum by (phase) ({newest('finetune_jobs', HERE, 'namespace', 'phase')})"
    return graph(
        "Jobs by phase", "How many jobs were in which phase.", "short", Query(by_phase, "{{phase}}"), stacked=True
    )


def _running() -> Panel:
    ends = newest("finetune_job_estimated_end_timestamp_seconds", HERE, "namespace", "name")
    return rows(
        "Runs",
        "Jobs that train: progress, estimated time left, GPUs held. A row leads to the job.",
        Column(newest("finetune_job_progress_ratio", HERE, "namespace", "name"), "Progress", "percentunit"),
        Column(f"{ends} - time()", "Time left", "s"),
        Column(f"sum by (namespace, name) ({GPUS})", "GPUs"),
        width=16,
        link=TO_JOB,
    )


def _waiting() -> Panel:
    since = newest("finetune_job_phase_start_timestamp_seconds", HERE, "namespace", "name")
    unfinished = f'{HERE}, phase=~"Pending|Failed|Suspended|Deploying"'
    why = newest("finetune_job_status_info", unfinished, "namespace", "name", "phase", "reason")
    return rows(
        "What waits or has failed, and why",
        "The reason of each job that neither works nor is done, and for how long. A row leads to the job.",
        Column(f"(time() - {since}) * on (namespace, name) group_left (phase, reason) {why}", "For", "s"),
        link=TO_JOB,
    )


def _cost() -> list[Panel]:
    used = f"finetune_gpu_seconds_total{{{HERE}}}"
    cost = f"sum by (namespace, currency) (increase(finetune_cost_total{{{HERE}}}[$__range]))"
    by_namespace = "{{namespace}}"
    return [
        graph(
            "GPUs in use",
            "GPUs that pods held, by namespace.",
            "short",
            Query(f"sum by (namespace) ({GPUS})", by_namespace),
            stacked=True,
        ),
        bars(
            "GPU-hours",
            "GPU-hours of the time range, by namespace: GPUs held by training pods, whether they worked or not.",
            "h",
            Query(f"sum by (namespace) (increase({used}[$__range])) / 3600", by_namespace),
        ),
        bars(
            "Cost",
            "GPU-hours of the time range times the price that the operator was given (chart value gpuHourPrice).",
            "none",
            Query(cost, "{{namespace}} ({{currency}})"),
        ),
    ]


def _outcomes() -> list[Panel]:
    finished = f"finetune_runs_finished_total{{{HERE}}}"
    failed = f'finetune_runs_finished_total{{{HERE}, result="Failed"}}'
    wait = f"sum by (le) (rate(finetune_queue_wait_seconds_bucket{{{HERE}}}[$__range]))"
    stages = "sum by (stage, le) (rate(finetune_stage_duration_seconds_bucket[$__range]))"
    retries = f"sum by (namespace) (increase(finetune_run_retries_total{{{HERE}}}[$__rate_interval]))"
    return [
        graph(
            "Runs that ended",
            "Runs that succeeded or failed.",
            "short",
            Query(f"sum by (result) (increase({finished}[$__rate_interval]))", "{{result}}"),
            stacked=True,
            width=6,
        ),
        bars(
            "Failures by class",
            "Runs of the time range that failed, by the class of failure.",
            "short",
            Query(f"round(sum by (failure_class) (increase({failed}[$__range]))) > 0", "{{failure_class}}"),
            width=6,
        ),
        graph("Retries", "Pods that were started again.", "short", Query(retries, "{{namespace}}"), width=4),
        bars(
            "Queue wait",
            "Time from a run's launch until its pod runs, in the time range.",
            "s",
            *(Query(f"histogram_quantile({share}, {wait})", f"{share:.0%}") for share in (0.5, 0.95)),
            width=4,
        ),
        bars(
            "Duration of stages",
            "Median time that a stage of a run took, in the time range, over all namespaces.",
            "s",
            Query(f"histogram_quantile(0.5, {stages})", "{{stage}}"),
            width=4,
        ),
    ]
