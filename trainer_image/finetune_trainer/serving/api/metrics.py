"""What the server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

LATENCY_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

disable_created_metrics()  # type: ignore[no-untyped-call]


class ServingMetrics:
    """One registry per server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "finetune_server_requests", "Requests answered.", ["route", "code"], registry=self.registry
        )
        self.latency = Histogram(
            "finetune_server_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ["route"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.first_token = Histogram(
            "finetune_server_time_to_first_token_seconds",
            "Time from a request to the first piece of its answer; of language models.",
            ["route"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "finetune_server_batch_size",
            "Prompts, texts or chats that one request brings.",
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self.cancelled = Counter(
            "finetune_server_requests_cancelled",
            "Requests whose client left before their answer was complete.",
            registry=self.registry,
        )
        self.queued = Gauge(
            "finetune_server_requests_queued", "Requests that wait for a thread of the model.", registry=self.registry
        )
        self.in_flight = Gauge("finetune_server_requests_in_flight", "Requests being answered.", registry=self.registry)
        self.prompt_tokens = Counter("finetune_server_prompt_tokens", "Tokens of prompts.", registry=self.registry)
        self.generated_tokens = Counter("finetune_server_generated_tokens", "Tokens generated.", registry=self.registry)
        self.classified = Counter("finetune_server_classified_texts", "Texts classified.", registry=self.registry)
        self.scored = Counter("finetune_server_scored_texts", "Texts and chats scored.", registry=self.registry)
        self.model = Gauge(
            "finetune_server_model_info",
            "1 for the model that is ready: the FineTuneJob, its run, and the digest of the files.",
            ["name", "run", "digest"],
            registry=self.registry,
        )

    def render(self) -> bytes:
        """Return all figures as Prometheus text."""
        return generate_latest(self.registry)
