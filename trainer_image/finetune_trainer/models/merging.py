"""Adapters become a part of the model, in full precision, and the merged model has to answer as the adapters did."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.spec.tuning import MergeBase
from finetune_trainer.errors import MergeMismatch
from finetune_trainer.log import say
from finetune_trainer.models import adapters
from finetune_trainer.models.answers import Question, answers, difference
from finetune_trainer.models.loading import LoadPlan
from finetune_trainer.models.quantization import dequantized
from finetune_trainer.records import LogitDifference, MergeRecord
from finetune_trainer.runtime.device import Device

FLOAT32_TOLERANCE = 1e-3
HALF_TOLERANCE = 5e-2
"""Largest difference as a share of the largest logit. Numbers of 16 bits round at every layer; a merge that is
wrong (into 4 bits, onto other weights, without a new head) is off by a quarter or more."""
ROUNDINGS = 3
"""Where logits are small, rounding alone may exceed the share above. It is measured then: both sides have it, and the
few rows asked need not show it at its largest."""
TOLERANCE_FIELD = "spec.output.mergeTolerance"


@dataclass(frozen=True)
class Merge:
    """One merge: `base` is the folder of the untouched model, `plan` how it was loaded to learn, `dtype` its format.

    `load` makes a model of the run's task from a folder.
    """

    request: RunRequest
    load: Callable[[Path, LoadPlan], Any]
    device: Device
    base: Path
    plan: LoadPlan
    dtype: str

    def run(self, adapter: Path, asked: list[Question], learnt: list[Any], folder: Path) -> MergeRecord:
        """Write the merged model to `folder` and compare its answers with those that were `learnt`.

        Raises MergeMismatch if they differ by more than rounding explains.
        """
        wanted = self._wanted_base
        merged = self._merge(adapter, wanted)
        merged.save_pretrained(folder)
        del merged
        expected = learnt if wanted is not MergeBase.ORIGINAL or not self.plan.quantization else None
        if expected is None:
            expected = answers(adapters.put_onto(self._load_base(wanted), adapter), asked, self.device)
        found = self._published_answers(folder, asked)
        apart = difference(expected, found)
        record = MergeRecord(
            wanted.value,
            self._tolerance if apart.share <= self._tolerance else self._allowed(adapter, asked, found),
            apart,
            self._other_base(adapter, asked, found) if self.plan.quantization else None,
        )
        _report(record)
        return record

    @property
    def _wanted_base(self) -> MergeBase:
        options = self.request.tuning.quantization
        return options.merge_base if options else MergeBase.ORIGINAL

    @property
    def _exact(self) -> bool:
        """Whether everything is computed and kept in float32."""
        options = self.request.tuning.quantization
        unpacked = options.compute_dtype if options and options.compute_dtype else "float32"
        return self.dtype == unpacked == "float32" and not self.device.bfloat16

    @property
    def _tolerance(self) -> float:
        """Return what the spec allows, or what the coarsest number format in play usually explains."""
        return self.request.output.merge_tolerance or (FLOAT32_TOLERANCE if self._exact else HALF_TOLERANCE)

    def _allowed(self, adapter: Path, asked: list[Question], found: list[Any]) -> float:
        """Return what rounding explains on these very rows: how far `found` lies from the same merge in float32."""
        if self._exact or self.request.output.merge_tolerance:
            return self._tolerance
        merged = adapters.put_onto(self._load_base(self._wanted_base), adapter).merge_and_unload()
        rounding = difference(answers(merged, asked, replace(self.device, bfloat16=False)), found)
        say("merge", f"rounding to 16 bits alone: {describe(rounding)}")
        return self._tolerance + ROUNDINGS * rounding.share

    def _merge(self, adapter: Path, base: MergeBase) -> Any:
        """Add the adapters' weights in float32, then round to the base model's number format."""
        import torch

        merged = adapters.put_onto(self._load_base(base), adapter).merge_and_unload()
        return merged.to(dtype=getattr(torch, self.dtype))

    def _load_base(self, base: MergeBase) -> Any:
        """Load what the adapters are put onto, in float32 on the CPU."""
        if base is MergeBase.DEQUANTIZED:
            return dequantized(self.load(self.base, self.plan))
        return self.load(self.base, LoadPlan("float32", self.plan.seed))

    def _published_answers(self, folder: Path, asked: list[Question]) -> list[Any]:
        on_gpu = self.device.name == "cuda" and self.device.bfloat16
        plan = LoadPlan("bfloat16" if on_gpu else "float32", self.plan.seed)
        return answers(self.load(folder, plan), asked, self.device)

    def _other_base(self, adapter: Path, asked: list[Question], found: list[Any]) -> LogitDifference:
        """Return how far a merge into the other base lies from this one."""
        other = next(base for base in MergeBase if base is not self._wanted_base)
        return difference(found, answers(self._merge(adapter, other), asked, self.device))


def _report(record: MergeRecord) -> None:
    apart = record.difference
    say("merge", f"into {record.base.lower()} weights: {describe(apart)}")
    if record.other_base:
        say("merge", f"original against dequantized weights: {describe(record.other_base)}")
    if not apart.share <= record.tolerance:
        raise MergeMismatch(
            f"the merged model does not answer as the adapters did: {describe(apart)}; allowed are"
            f" {record.tolerance:.2%} ({TOLERANCE_FIELD}); nothing was published",
            TOLERANCE_FIELD,
        )


def describe(apart: LogitDifference) -> str:
    """Return a difference in words."""
    agreed = f", {apart.agreement:.1%} of {apart.answers} answers agree" if apart.agreement is not None else ""
    return f"logits differ by at most {apart.largest:.2g} ({apart.share:.2%} of the largest){agreed}"
