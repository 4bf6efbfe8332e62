"""Trackio: the run is found again by its name."""

from typing import Any
from urllib.parse import quote

import requests
import trackio
from transformers.integrations import TrackioCallback

from finetune_api.spec.tracking import TrackingSpec
from finetune_trainer.config import set_variable
from finetune_trainer.tracking.desk import Ending, RunIdentity

OPEN_SECONDS = 10


class TrackioDesk:
    """A Trackio server of one's own."""

    is_direct = False

    def __init__(self, spec: TrackingSpec, run: RunIdentity) -> None:
        assert spec.endpoint
        self._place = spec.endpoint.rstrip("/")
        self._run = run

    def open(self) -> str:
        """See Desk. Trackio itself begins a run whether its server answers or not."""
        requests.get(self._place, timeout=OPEN_SECONDS).raise_for_status()
        set_variable("TRACKIO_SERVER_URL", self._place)
        return f"{self._place}/?project={quote(self._run.project)}"

    def callback(self) -> Any:
        """See Desk."""
        return _WithTags(self._run)

    def note(self, values: dict[str, str]) -> None:
        """See Desk. Trackio takes no facts but with a run's first figures."""

    def close(self, ending: Ending) -> None:
        """See Desk. Trackio's runs have no state."""
        del ending
        trackio.finish()


class _WithTags(TrackioCallback):  # type: ignore[misc]
    def __init__(self, run: RunIdentity) -> None:
        super().__init__()
        self._run = run

    def setup(self, args: Any, state: Any, model: Any, **kwargs: Any) -> None:
        super().setup(args, state, model, **kwargs)
        trackio.config.update({**self._run.tags, "note": self._run.note})
