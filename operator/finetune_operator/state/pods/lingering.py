"""A container beside the trainer that outlives it: it would keep the pod running, and the GPU taken, for ever."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of, parse_time
from finetune_operator.state.pods import pods

GRACE = timedelta(seconds=30)
"""Time that other containers have to end by themselves once the trainer has."""


@dataclass(frozen=True)
class Lingering:
    """A pod that still runs although its trainer has ended. overdue: it is to be ended."""

    pod: Manifest
    containers: tuple[str, ...]
    overdue: bool

    @property
    def message(self) -> str:
        """Say what still runs, and how to keep it from doing so."""
        several = len(self.containers) > 1
        what = f"{'Containers' if several else 'Container'} {', '.join(self.containers)} of pod {name_of(self.pod)}"
        return (
            f"{what} still {'run' if several else 'runs'}, although the trainer has ended: the pod is ended."
            " Let what adds it make it a native sidecar (an init container with restartPolicy: Always), or leave this"
            " pod out."
        )


def lingering(own_pods: Iterable[Manifest], now: datetime) -> Lingering | None:
    """Return the newest pod whose trainer has ended while other containers run."""
    pod = pods.newest(pod for pod in own_pods if pods.outliving(pod))
    if pod is None:
        return None
    finished = (pods.ended(pod) or {}).get("finishedAt")
    overdue = finished is None or now - parse_time(finished) >= GRACE
    return Lingering(pod, tuple(pods.outliving(pod)), overdue)
