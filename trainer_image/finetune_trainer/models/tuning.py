"""Which weights learn: all, a part of them, or adapters beside frozen ones."""

from typing import Any

from finetune_api.spec.training import TrainingSpec
from finetune_api.spec.tuning import TuningSpec
from finetune_trainer.models import adapters
from finetune_trainer.models.freezing import freeze
from finetune_trainer.models.loading import Loaded, LoadPlan
from finetune_trainer.models.quantization import quantization_config, weights_in
from finetune_trainer.runtime.device import Device


def load_plan(tuning: TuningSpec, training: TrainingSpec, device: Device) -> LoadPlan:
    """Return how to load the model that learns: in float32, but bfloat16 on GPUs where only adapters learn."""
    frozen = tuning.adapter is not None
    dtype = "bfloat16" if frozen and device.bfloat16 and device.name == "cuda" else "float32"
    quantization = quantization_config(tuning.quantization, device) if tuning.quantization else None
    return LoadPlan(dtype, training.seed, quantization)


def prepare(loaded: Loaded, tuning: TuningSpec, training: TrainingSpec, task_type: str) -> Any:
    """Return the model with the weights that `tuning` names set to learn.

    Weights that the base model does not have (a new head) always learn. Raises BadSpec if the spec names layers,
    parameters or modules that the model does not have.
    """
    if tuning.adapter is not None:
        block = f"spec.tuning.{tuning.method.lower()}"
        return adapters.attach(loaded, tuning.adapter, block, training, task_type)
    if tuning.freeze is not None:
        freeze(loaded, tuning.freeze)
    return loaded.model


def hold_in_float32(model: Any) -> None:
    """Give the weights that learn float32, whatever the task's trainer made of them.

    TRL casts adapters on a 4-bit base to bfloat16, while checkpoints bring them back in float32: a resumed training
    would drift away.
    """
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def release(model: Any) -> None:
    """Free the memory of a model's weights, whoever still refers to it."""
    for parameter in model.parameters():
        parameter.grad = None
        parameter.data = parameter.data.new_empty(0)


def count_parameters(model: Any) -> tuple[int, int]:
    """Return how many parameters learn, and how many there are; two 4-bit weights share a byte and count as two."""
    counts = [(weights_in(parameter), parameter.requires_grad) for parameter in model.parameters()]
    return sum(count for count, learns in counts if learns), sum(count for count, _ in counts)
