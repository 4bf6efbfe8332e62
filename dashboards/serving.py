"""Serving: what the served models answer, how fast, and which run is live."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.page import Variable, link_to, newest, page
from dashboards.panels import Column, Panel, Query, figure, graph, rows

HERE = 'namespace=~"$namespace", name=~"$name"'
VARIABLES = [
    Variable("namespace", "Namespace", "finetune_server_model_info", many=True),
    Variable("name", "FineTuneJob", 'finetune_server_model_info{namespace=~"$namespace"}', many=True),
]
BY_NAME = "{{namespace}}/{{name}}"
BY_RUN = "{{namespace}}/{{name}} {{run}}"
ERRORS = {0.01: "orange", 0.05: "red"}


def serving() -> Dashboard:
    """All served models of the namespaces, or some of them."""
    return page(
        "serving",
        "Fine-tuning / Serving",
        "Requests, errors, latency and tokens of the served models; which run and digest is live; rollout.",
        VARIABLES,
        {"Now": _now(), "Requests": [*_requests(), *_latency()], "Tokens": _tokens(), "Rollout": _rollout()},
    )


def _rate(metric: str, *labels: str, more: str = "") -> str:
    return f"sum by ({', '.join(labels)}) (rate(finetune_server_{metric}{{{HERE}{more}}}[$__rate_interval]))"


def _error_ratio(*labels: str) -> str:
    failed = _rate("requests_total", *labels, more=', code=~"5.."')
    return f"({failed} or 0 * {_rate('requests_total', *labels)}) / ({_rate('requests_total', *labels)} > 0)"


def _now() -> list[Panel]:
    ready = newest("finetune_job_replicas", f'{HERE}, state="ready"', "namespace", "name")
    wanted = newest("finetune_job_replicas", f'{HERE}, state="wanted"', "namespace", "name")
    matches = newest("finetune_job_served_digest_matches", HERE, "namespace", "name")
    live = f"count by (namespace, name, run, digest) (finetune_server_model_info{{{HERE}}})"
    all_routes = f"sum(rate(finetune_server_requests_total{{{HERE}}}[$__rate_interval]))"
    return [
        figure("Requests", "Requests that are answered, over all models.", "reqps", Query(all_routes)),
        figure(
            "Replicas ready",
            "Share of the wanted replicas that is ready, over all models.",
            "percentunit",
            Query(f"sum({ready}) / sum({wanted})"),
        ),
        figure(
            "Not what was published",
            "Models whose served digest is none that the served run has published.",
            "short",
            Query(f"count({matches}) - sum({matches})"),
            thresholds={1.0: "red"},
        ),
        rows(
            "Live models",
            "Which run, with which digest, how many pods serve. A row leads to the job.",
            Column(live, "Pods"),
            width=12,
            height=4,
            link=link_to("job", "Show the job"),
        ),
    ]


def _requests() -> list[Panel]:
    return [
        graph(
            "Requests by route",
            "Requests that are answered, by model and route.",
            "reqps",
            Query(_rate("requests_total", "namespace", "name", "route"), f"{BY_NAME} {{{{route}}}}"),
        ),
        graph(
            "Answers by code",
            "Answers by HTTP status: 4xx are mistakes of clients, 429 a full queue, 5xx mistakes of the server.",
            "reqps",
            Query(_rate("requests_total", "code"), "{{code}}"),
            stacked=True,
        ),
        graph(
            "Error ratio",
            "Share of the requests that the server failed at (5xx).",
            "percentunit",
            Query(_error_ratio("namespace", "name"), BY_NAME),
            thresholds=ERRORS,
        ),
    ]


def _latency() -> list[Panel]:
    whole = _rate("request_duration_seconds_bucket", "le", "route")
    first = _rate("time_to_first_token_seconds_bucket", "le", "route")
    return [
        graph(
            "Duration of requests",
            "Time from a request to the end of its answer: of half of them, and of all but 5 %.",
            "s",
            *(Query(f"histogram_quantile({share}, {whole})", f"{share:.0%} {{{{route}}}}") for share in (0.5, 0.95)),
            width=12,
        ),
        graph(
            "Time to first token",
            "Time from a request to the first token of its answer: of half of them, and of all but 5 %.",
            "s",
            *(Query(f"histogram_quantile({share}, {first})", f"{share:.0%} {{{{route}}}}") for share in (0.5, 0.95)),
            width=12,
        ),
    ]


def _tokens() -> list[Panel]:
    flight = f"sum by (namespace, name) (finetune_server_requests_in_flight{{{HERE}}})"
    queued = f"sum by (namespace, name) (finetune_server_requests_queued{{{HERE}}})"
    batches = _rate("batch_size_sum", "namespace", "name")
    return [
        graph(
            "Tokens",
            "Tokens of prompts, and tokens generated, per second.",
            "short",
            Query(_rate("prompt_tokens_total", "namespace", "name"), f"{BY_NAME} prompts"),
            Query(_rate("generated_tokens_total", "namespace", "name"), f"{BY_NAME} generated"),
        ),
        graph(
            "In flight and queued",
            "Requests that are being answered, and those that wait for it.",
            "short",
            Query(flight, f"{BY_NAME} in flight"),
            Query(queued, f"{BY_NAME} queued"),
            width=6,
        ),
        graph(
            "Batch size",
            "Requests that were answered together, on average.",
            "none",
            Query(f"{batches} / ({_rate('batch_size_count', 'namespace', 'name')} > 0)", BY_NAME),
            width=5,
        ),
        graph(
            "Cancelled",
            "Requests whose client hung up before the answer was whole.",
            "reqps",
            Query(_rate("requests_cancelled_total", "namespace", "name"), BY_NAME),
            width=5,
        ),
    ]


def _rollout() -> list[Panel]:
    pods = f"count by (namespace, name, run) (finetune_server_model_info{{{HERE}}})"
    replicas = newest("finetune_job_replicas", HERE, "namespace", "name", "state")
    matches = newest("finetune_job_served_digest_matches", HERE, "namespace", "name")
    return [
        graph(
            "Pods by run",
            "Pods that serve each run: where two runs overlap, a rollout is under way.",
            "short",
            Query(pods, BY_RUN),
            stacked=True,
        ),
        graph("Replicas", "Replicas that are wanted, and ready.", "short", Query(replicas, f"{BY_NAME} {{{{state}}}}")),
        graph(
            "Serves what was published",
            "Whether the served digest is what the served run has published.",
            "bool_yes_no",
            Query(matches, BY_NAME),
        ),
    ]
