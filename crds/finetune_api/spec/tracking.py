"""`spec.tracking`: the experiment tracker that follows the training."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.parts.secrets import SECRET_NAME
from finetune_api.schema import ApiModel, Rule, Tolerant

PROJECT_LIMIT = 128

TagName = Annotated[str, Field(max_length=63)]
TagValue = Annotated[str, Field(max_length=256)]


class Tracker(StrEnum):
    """Whose server follows the training."""

    MLFLOW = "MLflow"
    WANDB = "WandB"
    TRACKIO = "Trackio"


SECRET_KEYS = {
    Tracker.MLFLOW: ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
    Tracker.WANDB: ("WANDB_API_KEY",),
    Tracker.TRACKIO: ("TRACKIO_WRITE_TOKEN",),
}
"""The keys that are read of a tracker's Secret."""


class TrackingSecret(ApiModel):
    """Names the tracker's Secret in the job's namespace."""

    rules = (SECRET_NAME,)

    name: str = Field(
        min_length=1,
        max_length=253,
        description="Name of a Secret in the job's namespace. Keys that are read: MLFLOW_TRACKING_TOKEN, or"
        " MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, for MLflow; WANDB_API_KEY for WandB;"
        " TRACKIO_WRITE_TOKEN for Trackio.",
    )


class TrackingSpec(ApiModel):
    """The experiment tracker that follows the training. One that does not answer never holds the training up."""

    rules = (
        Rule(
            "has(self.endpoint) || self.type == 'WandB'",
            "names the tracker's server, which only WandB has a public one of: set it, such as"
            " http://mlflow.mlflow.svc:5000",
            field_path=".endpoint",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.endpoint) || self.endpoint.matches('^https?://[^/@?#]+(/[^@?#]*)?$')",
            "must be an http:// or https:// address without credentials and '?' part; name a Secret in secretRef",
            field_path=".endpoint",
        ),
        Rule(
            "!has(self.entity) || self.type == 'WandB'",
            "is only for type WandB; remove it",
            field_path=".entity",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.project) || self.type == 'MLflow' || !self.project.contains('/')",
            "must not have '/', which only MLflow's names of experiments may have",
            field_path=".project",
        ),
        Rule(
            "!has(self.tags) || self.tags.all(name, name.matches('^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$')"
            " && !name.startsWith('mlflow.') && !name.startsWith('finetune.dev/'))",
            "must have names of letters, digits, '-', '_', '.' and '/', which do not begin with mlflow. or"
            " finetune.dev/, as those do that are set anyway",
            field_path=".tags",
        ),
    )

    type: Tracker = Field(description="MLflow, WandB (Weights & Biases) or Trackio.")
    endpoint: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="Address of the tracker's server, such as http://mlflow.mlflow.svc:5000. Default for WandB: its"
        " public one.",
    )
    project: (
        Annotated[str, Field(min_length=1, max_length=PROJECT_LIMIT, pattern="^[A-Za-z0-9_/][-A-Za-z0-9_. /@]*$")]
        | None
    ) = Field(
        None,
        description="Project (for MLflow: the experiment's name) that the runs are gathered in. It is created if it is"
        " not there. Default: <namespace>-<name> of this job.",
    )
    entity: Annotated[str, Field(min_length=1, max_length=128, pattern="^[-A-Za-z0-9_.]+$")] | None = Field(
        None, description="User or team of WandB that the project belongs to. Default: that of the API key."
    )
    secret_ref: TrackingSecret | None = Field(None, description="Credentials of the tracker.")
    tags: dict[TagName, TagValue] | None = Field(
        None,
        max_length=16,
        description="Tags of the runs, such as team: nlp, beside those that name the job and its run.",
    )


class TrackedRun(Tolerant):
    """Where a tracker shows the run."""

    type: str = Field(max_length=64, description="MLflow, WandB or Trackio.")
    url: str = Field(max_length=2048, description="Page of the run in the tracker.")
