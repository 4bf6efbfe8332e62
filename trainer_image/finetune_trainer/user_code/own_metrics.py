"""Metrics of the user's own, computed by the library evaluate."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune_api.parts.metrics import MetricSpec
from finetune_trainer.data.problems import show
from finetune_trainer.errors import BadMetric, Unavailable
from finetune_trainer.log import say
from finetune_trainer.user_code.code import OwnCode
from finetune_trainer.user_code.metric_code import RETRY, metric_place

MOST_FIGURES = 16
"""With more from one metric, they would crowd out all others."""
KEY_CHARACTERS = 64


class OwnMetric:
    """One metric, loaded from the workspace."""

    def __init__(self, spec: MetricSpec, folder: Path) -> None:
        """Load the script. Raises BadMetric if that fails, or if it holds no metric."""
        import evaluate
        from evaluate.config import HF_MODULES_CACHE

        self.spec = spec
        self._code = OwnCode(spec.field, metric_place(spec), Path(HF_MODULES_CACHE), RETRY, BadMetric)
        place = str(folder / spec.name / spec.script)
        try:
            metric = self._code.run(lambda: evaluate.load(place, spec.config_name, keep_in_memory=True))
        except Unavailable as error:
            # It is loaded without a network, and so it would be the next time.
            raise self._code.refused(self._code.what_failed(error.__cause__ or error)) from error
        except BadMetric as error:
            raise (self._code.refused("has no subclass of evaluate.Metric") if _is_none(error) else error) from error
        if not isinstance(metric, evaluate.Metric):
            raise self._code.refused(f"has a {type(metric).__name__}, expected a subclass of evaluate.Metric")
        self._metric = metric

    def figures(self, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, float]:
        """Return the figures, by the metric's name, or by its name and theirs if it gives several.

        What is not finite is left out. Raises BadMetric if the metric fails or gives no number at all.
        """
        arguments = {"predictions": list(predictions), "references": list(references), **self.spec.keywords}
        result = self._code.run(lambda: self._metric.compute(**arguments))
        found = result if isinstance(result, dict) else {}
        numbers = {key: number for key, value in found.items() if (number := _number(value)) is not None}
        if not numbers:
            raise self._code.refused(f"gave {show(result)}, expected numbers by name")
        if len(numbers) > MOST_FIGURES:
            say("evaluate", f"metric {self.spec.name} gives {len(numbers)} figures; the first {MOST_FIGURES} are kept")
        kept = list(numbers.items())[:MOST_FIGURES]
        return {self._figure(key, of=len(found)): number for key, number in kept if math.isfinite(number)}

    def _figure(self, key: object, of: int) -> str:
        name = re.sub(r"[^\w.-]+", "_", str(key))[:KEY_CHARACTERS]
        return f"{self.spec.name}_{name}" if of > 1 else self.spec.name


class OwnMetrics:
    """All metrics of the job's own."""

    def __init__(self, specs: Sequence[MetricSpec], folder: Path) -> None:
        """Load them from where `keep_metrics` put them. Raises BadMetric."""
        self._metrics = [OwnMetric(spec, folder) for spec in specs]

    def added(
        self, figures: dict[str, float], predictions: Sequence[Any], references: Sequence[Any]
    ) -> dict[str, float]:
        """Return the task's figures and those of the metrics. Raises BadMetric, for a name that is taken, too."""
        together = dict(figures)
        for metric in self._metrics:
            own = metric.figures(predictions, references)
            taken = next((name for name in own if name in together), None)
            if taken:
                field = f"{metric.spec.field}.name"
                raise BadMetric(f"{field}: there is a figure {taken} already; choose another name", field)
            together |= own
        return together


NO_METRICS = OwnMetrics((), Path())


def _is_none(error: BadMetric) -> bool:
    """Whether evaluate found no class in the script: it calls what it found all the same."""
    return str(error.__cause__) == "'NoneType' object is not callable" and " in line " not in error.message


def _number(value: Any) -> float | None:
    """Return a number of Python, NumPy or PyTorch; None for anything else."""
    try:
        plain = value.item() if hasattr(value, "item") else value
        return float(plain) if isinstance(plain, int | float) else None
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
