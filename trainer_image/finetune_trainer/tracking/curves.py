"""The curves of a run as TensorBoard reads them: while it trains, and published with the model.

Written here and not by a SummaryWriter: its thread ends, and the training hangs, when the volume is full; and the file
that is published must have the same bytes for the same training.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from finetune_trainer.runtime.progress import own_figures

FOLDER = "runs"
"""By this name the Hub shows curves."""
FILE = "events.out.tfevents"
"""How the names of such files begin."""
FILE_VERSION = "brain.Event:2"
FLUSH_SECONDS = 10.0


class EventFile:
    """One file of events. Raises OSError where it cannot be written."""

    def __init__(self, path: Path, wall_time: float) -> None:
        from tensorboardX.record_writer import RecordWriter

        path.parent.mkdir(parents=True, exist_ok=True)
        self._records = RecordWriter(str(path))
        self._flushed = time.monotonic()
        self._write(wall_time, file_version=FILE_VERSION)

    def add(self, step: int, figures: Mapping[str, float], wall_time: float) -> None:
        """Add a point to each curve."""
        from tensorboardX.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
        self._write(wall_time, step=step, summary=Summary(value=values))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._records.flush()
            self._flushed = time.monotonic()

    def resume(self, step: int, wall_time: float) -> None:
        """Begin after a step: what an earlier file says of later ones is void."""
        from tensorboardX.proto.event_pb2 import SessionLog

        self._write(wall_time, step=step + 1, session_log=SessionLog(status=SessionLog.START))

    def _write(self, wall_time: float, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._records.write(Event(wall_time=wall_time, **content).SerializeToString(deterministic=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._records.close()


def training_figures(entry: Mapping[str, float]) -> dict[str, float]:
    """Return the points of one interval, under the names that transformers gives them."""
    told = {name: entry[name] for name in ("loss", "learning_rate", "epoch") if name in entry}
    return {f"train/{name}": value for name, value in (told | own_figures(dict(entry))).items()}


def held_out_figures(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the points of the held-out rows."""
    return {f"eval/{name}": value for name, value in metrics.items()}


def publish_curves(
    folder: Path, history: tuple[dict[str, float], ...], steps: int, metrics: Mapping[str, float]
) -> None:
    """Write the curves of a whole training, and how the tuned model was judged, into a folder that is published.

    All at the same time, 1970: when it was would make another model of the same training.
    """
    with EventFile(folder / FOLDER / f"{FILE}.0", wall_time=0.0) as events:
        for entry in history:
            events.add(int(entry["step"]), training_figures(entry), wall_time=0.0)
        events.add(steps, held_out_figures(metrics), wall_time=0.0)
