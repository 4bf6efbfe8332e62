"""What all routes share: the model once it is ready, and who it is."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from finetune_trainer.serving.api.metrics import ServingMetrics
from finetune_trainer.serving.engines.workers import Workers
from finetune_trainer.serving.errors import ApiError

if TYPE_CHECKING:  # Torch takes seconds to import; the routes answer before that.
    from finetune_trainer.serving.engines.loading import ServedModel

RETRY_AFTER_SECONDS = 5


@dataclass
class ServerState:
    """`not_ready` says in words why no request is taken yet, or any more; None once the model is ready."""

    name: str
    digest: str
    workers: Workers
    metrics: ServingMetrics = field(default_factory=ServingMetrics)
    model: "ServedModel | None" = None
    not_ready: str | None = "starting"
    created: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.metrics.queued.set_function(lambda: self.workers.waiting)

    def ready(self, model: "ServedModel", run: str) -> None:
        """Take requests from now on. run: id of the run that made the model, empty if it is not told."""
        self.model = model
        self.not_ready = None
        self.metrics.model.labels(self.name, run, self.digest).set(1)

    def served_model(self, asked_for: str | None) -> "ServedModel":
        """Return the model. Raises ApiError: 503 while it is not ready, 404 if another one was asked for."""
        if self.model is None:
            raise ApiError(503, f"the model is not ready: {self.not_ready}", code="not_ready")
        if asked_for not in (None, self.name):
            raise ApiError(
                404,
                f"The model {asked_for!r} does not exist; this server has {self.name!r}",
                "model",
                "model_not_found",
            )
        return self.model
