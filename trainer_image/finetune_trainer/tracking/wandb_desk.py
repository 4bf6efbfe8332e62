"""Weights & Biases: the run has an id of ours."""

from typing import Any

import wandb
from transformers.integrations import WandbCallback

from finetune_api.spec.tracking import TrackingSpec
from finetune_trainer.tracking.desk import Ending, RunIdentity

OPEN_SECONDS = 30
TAG_CHARACTERS = 64
PUBLIC = "https://api.wandb.ai"


class WandBDesk:
    """Weights & Biases, the public server or one's own."""

    is_direct = False

    def __init__(self, spec: TrackingSpec, run: RunIdentity, scratch: str) -> None:
        self._place = (spec.endpoint or PUBLIC).rstrip("/")
        self._entity = spec.entity
        self._tags = [f"{name}={value}"[:TAG_CHARACTERS] for name, value in (spec.tags or {}).items()]
        self._run = run
        self._scratch = scratch
        self._handle: Any = None

    def open(self) -> str:
        """See Desk."""
        self._handle = wandb.init(
            project=self._run.project,
            entity=self._entity,
            id=self._run.id,
            resume="allow",
            name=self._run.name,
            notes=self._run.note,
            tags=self._tags,
            config=self._run.tags,
            allow_val_change=True,
            dir=self._scratch,
            settings=wandb.Settings(
                base_url=self._place, init_timeout=OPEN_SECONDS, silent=True, console="off", disable_git=True
            ),
        )
        return self._handle.url or ""

    def callback(self) -> Any:
        """See Desk."""
        return WandbCallback()

    def note(self, values: dict[str, str]) -> None:
        """See Desk."""
        self._handle.summary.update(values)

    def close(self, ending: Ending) -> None:
        """See Desk."""
        if ending is Ending.KILLED:
            self._handle.mark_preempting()
        self._handle.finish(exit_code=int(ending is not Ending.FINISHED))
