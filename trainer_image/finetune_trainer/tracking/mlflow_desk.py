"""MLflow: the run is found again by its tags."""

from typing import Any

import mlflow
from transformers.integrations import MLflowCallback

from finetune_api.keys import LABEL_JOB_UID, LABEL_RUN
from finetune_api.spec.tracking import TrackingSpec
from finetune_trainer.tracking.desk import Ending, RunIdentity


class MLflowDesk:
    """An MLflow tracking server."""

    is_direct = True

    def __init__(self, spec: TrackingSpec, run: RunIdentity) -> None:
        assert spec.endpoint
        self._place = spec.endpoint.rstrip("/")
        self._run = run

    def open(self) -> str:
        """See Desk."""
        mlflow.set_tracking_uri(self._place)
        experiment = mlflow.set_experiment(self._run.project).experiment_id
        tags = {**self._run.tags, "mlflow.note.content": self._run.note}
        same = (f"tags.`{key}` = '{tags[key]}'" for key in (LABEL_JOB_UID, LABEL_RUN))
        found = mlflow.MlflowClient().search_runs([experiment], " and ".join(same), max_results=1)
        if found:
            run = mlflow.start_run(run_id=found[0].info.run_id)
            mlflow.set_tags(tags)
        else:
            run = mlflow.start_run(run_name=self._run.name, tags=tags)
        return f"{self._place}/#/experiments/{experiment}/runs/{run.info.run_id}"

    def callback(self) -> Any:
        """See Desk."""
        return _InTurn()

    def note(self, values: dict[str, str]) -> None:
        """See Desk."""
        mlflow.set_tags(values)

    def close(self, ending: Ending) -> None:
        """See Desk."""
        mlflow.end_run(status=ending.value)


class _InTurn(MLflowCallback):  # type: ignore[misc]
    """Sends one thing after the other: MLflow's own threads would keep the process from its end."""

    def setup(self, args: Any, state: Any, model: Any) -> None:
        super().setup(args, state, model)
        mlflow.flush_async_logging()
        self._async_log = False
