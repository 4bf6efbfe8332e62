"""Job: one job, from its first step to its scores."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.page import Variable, newest, page
from dashboards.panels import Column, Panel, Query, figure, graph, rows, timeline

HERE = 'namespace="$namespace", name="$name"'
VARIABLES = [
    Variable("namespace", "Namespace", "finetune_job_status_info"),
    Variable("name", "FineTuneJob", 'finetune_job_status_info{namespace="$namespace"}'),
]
BY_RUN = "{{run}}"


def job() -> Dashboard:
    """One job, picked by namespace and name."""
    return page(
        "job",
        "Fine-tuning / Job",
        "One FineTuneJob: phase, curves, throughput, GPUs, evaluation of tuned against base model, stages, warnings.",
        VARIABLES,
        {
            "Now": [*_now(), _reasons(), _warnings()],
            "Training": [*_curves(), *_speed()],
            "Evaluation": _evaluation(),
            "Stages and hardware": [_stages(), *_hardware()],
        },
        since="now-3h",
    )


def _trainer(metric: str, *labels: str) -> str:
    return newest(f"finetune_trainer_{metric}", HERE, *(labels or ("run",)))


def _now() -> list[Panel]:
    phase = newest("finetune_job_status_info", HERE, "phase", "reason")
    run = newest("finetune_job_run_info", HERE, "run", "task", "method")
    score = newest("finetune_job_score", HERE, "model", "metric")
    gpus = newest("finetune_job_gpus", HERE, "component")
    ends = newest("finetune_job_estimated_end_timestamp_seconds", HERE)
    return [
        figure("Phase", "The job's phase, and its reason.", "none", Query(phase, "{{phase}}: {{reason}}"), names=True),
        figure("Run", "The run, its task and tuning.", "none", Query(run, "{{run}} {{task}} {{method}}"), names=True),
        figure(
            "Progress",
            "Share of the optimizer steps that is done.",
            "percentunit",
            Query(newest("finetune_job_progress_ratio", HERE)),
        ),
        figure("Time left", "Estimated time until the training ends.", "s", Query(f"{ends} - time()")),
        figure("GPUs held", "GPUs of the pods that train and serve.", "short", Query(gpus, "{{component}}")),
        figure("Score", "The task's main metric on the held-out rows.", "none", Query(score, "{{model}} {{metric}}")),
    ]


def _reasons() -> Panel:
    why = newest("finetune_job_status_info", HERE, "phase", "reason")
    return timeline("Phases", "Which phase the job was in, and why.", Query(why, "{{phase}}: {{reason}}"), width=16)


def _warnings() -> Panel:
    alerts = f'max by (alertname, severity, alertstate) (ALERTS{{{HERE}, alertname=~"FineTune.+"}})'
    return rows("Warnings", "Alerts about this job, pending and firing.", Column(alerts, "Active"), width=8)


def _curves() -> list[Panel]:
    return [
        graph(
            "Loss",
            "Training loss, mean of a reporting interval. A gap is a loss that is not finite.",
            "none",
            Query(_trainer("loss"), BY_RUN),
            width=6,
        ),
        graph(
            "Learning rate", "Learning rate of the schedule.", "sci", Query(_trainer("learning_rate"), BY_RUN), width=6
        ),
        graph(
            "Gradient norm",
            "Norm of the gradients before clipping; peaks come before a loss that diverges.",
            "none",
            Query(_trainer("gradient_norm"), BY_RUN),
            width=6,
        ),
        graph(
            "Figures of the task",
            "What the task's trainer tells beside the loss: rewards, margins, divergence, accuracy.",
            "none",
            Query(_trainer("figure", "figure"), "{{figure}}"),
            width=6,
        ),
    ]


def _speed() -> list[Panel]:
    return [
        graph("Rows", "Rows that are learnt from.", "rowsps", Query(_trainer("samples_per_second"), BY_RUN), width=6),
        graph(
            "Tokens",
            "Tokens that are learnt from.",
            "short",
            Query(_trainer("tokens_per_second"), "{{run}} per second"),
            width=6,
        ),
        graph(
            "Steps",
            "Optimizer steps done, and all that there are.",
            "short",
            Query(_trainer("step"), "{{run}} done"),
            Query(_trainer("steps"), "{{run}} in all"),
            width=6,
        ),
        graph("Epoch", "Passes over the data.", "none", Query(_trainer("epoch"), BY_RUN), width=6),
    ]


def _evaluation() -> list[Panel]:
    run = newest("finetune_job_run_info", HERE, "namespace", "name", "run")
    score = newest("finetune_job_score", HERE, "namespace", "name", "model", "metric")
    scores = f"{score} * on (namespace, name) group_left (run) {run}"
    held_out = _trainer("metric", "model", "metric")
    return [
        graph(
            "Score over runs",
            "The task's main metric, tuned against base model, run after run.",
            "none",
            Query(scores, "{{model}} {{metric}} ({{run}})"),
            width=12,
        ),
        rows(
            "Scores by run",
            "The last main score of each run of the time range.",
            Column(f"max by (run, model, metric) (last_over_time(({scores})[$__range:]))", "Score", "none"),
            width=6,
        ),
        graph(
            "Metrics while training",
            "All metrics on the held-out rows, of the tuned and of the base model.",
            "none",
            Query(held_out, "{{model}} {{metric}}"),
            width=6,
        ),
    ]


def _stages() -> Panel:
    return timeline(
        "Stages",
        "Which stage the training pod was in.",
        Query(f"{_trainer('stage', 'run', 'stage')} == 1", "{{stage}} ({{run}})"),
        width=8,
    )


def _hardware() -> list[Panel]:
    memory = [
        Query(_trainer("gpu_memory_used_bytes", "pod", "gpu"), "{{pod}} {{gpu}} used"),
        Query(_trainer("gpu_memory_total_bytes", "pod", "gpu"), "{{pod}} {{gpu}} in all"),
    ]
    workspace = [
        Query(_trainer("workspace_used_bytes", "name"), "used"),
        Query(_trainer("workspace_size_bytes", "name"), "size"),
    ]
    return [
        graph(
            "GPU utilization",
            "Share of the time in which the GPU computed. Low while training: the batch is too small for it.",
            "percentunit",
            Query(_trainer("gpu_utilization_ratio", "pod", "gpu"), "{{pod}} {{gpu}}"),
            width=6,
        ),
        graph("GPU memory", "Memory of the GPU: used, and in all.", "bytes", *memory, width=5),
        graph(
            "Workspace", "Volume that holds checkpoints and models: used, and its size.", "bytes", *workspace, width=5
        ),
    ]
