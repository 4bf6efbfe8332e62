"""The spec's training block as transformers' TrainingArguments."""

from pathlib import Path
from typing import Any

from finetune_api.spec.training import LRSchedulerType, TrainingSpec
from finetune_trainer.errors import BadSpec
from finetune_trainer.runtime.batches import Batches
from finetune_trainer.runtime.device import Device

SCHEDULE_FIELD = "spec.training.lrSchedulerArguments"
WARMUP_FIELD = "spec.training.warmupSteps"


def training_arguments(spec: TrainingSpec, batches: Batches, device: Device, output: Path) -> dict[str, Any]:
    """Return transformers' TrainingArguments for a resolved spec. Raises BadSpec for arguments of the schedule."""
    _check_schedule(spec)
    return {
        "output_dir": str(output),
        "num_train_epochs": spec.epochs or 1.0,
        "max_steps": spec.max_steps or -1,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": spec.lr_scheduler_type.value,
        "lr_scheduler_kwargs": spec.lr_scheduler_arguments,
        "warmup_steps": spec.warmup_steps or spec.warmup_ratio,
        "optim": spec.optimizer.value,
        "adam_beta1": spec.adam_beta1,
        "adam_beta2": spec.adam_beta2,
        "adam_epsilon": spec.adam_epsilon,
        "weight_decay": spec.weight_decay,
        "max_grad_norm": spec.max_grad_norm,
        "neftune_noise_alpha": spec.neftune_noise_alpha,
        "per_device_train_batch_size": batches.size,
        "gradient_accumulation_steps": batches.accumulation,
        "gradient_checkpointing": spec.gradient_checkpointing,
        "bf16": device.bfloat16,
        "use_cpu": device.name == "cpu",
        "seed": spec.seed,
        "data_seed": spec.seed,
        "logging_steps": spec.logging_interval_steps,
        "logging_nan_inf_filter": False,
        "include_num_input_tokens_seen": "non_padding",
        "save_strategy": "steps",
        "save_steps": spec.checkpoint_interval_steps,
        "eval_strategy": "no",
        "dataloader_pin_memory": device.name == "cuda",
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "report_to": "none",
    }


def check_steps(spec: TrainingSpec, warmup_steps: int, steps: int) -> str | None:
    """Check warm-up and decay against the training's length, in optimizer steps; return what to warn of.

    Raises BadSpec for steps of the spec that the training has no room for.
    """
    length = f"the training has {steps} optimizer step{'s' if steps != 1 else ''}"
    if spec.warmup_steps and warmup_steps >= steps:
        words = f"the learning rate would rise for {warmup_steps} steps, but {length}, so it never reaches learningRate"
        raise BadSpec(f"{WARMUP_FIELD}: {words}; lower it, set warmupRatio, or train longer", WARMUP_FIELD)
    decay_steps = int((spec.lr_scheduler_arguments or {}).get("num_decay_steps", 0))
    if spec.lr_scheduler_type is LRSchedulerType.WARMUP_STABLE_DECAY and warmup_steps + decay_steps > steps:
        words = f"{warmup_steps} steps of warm-up and {decay_steps} of decay (num_decay_steps) are more than {length}"
        raise BadSpec(f"{SCHEDULE_FIELD}: {words.replace('than the', 'than there are: the')}", SCHEDULE_FIELD)
    if warmup_steps >= steps:
        nothing = "nothing is learnt" if steps == 1 else "learningRate is never reached"
        return f"spec.training.warmupRatio ({spec.warmup_ratio:g}) makes all of it warm-up: {length}, so {nothing}"
    return None


def _check_schedule(spec: TrainingSpec) -> None:
    """Make the schedule once, so that wrong arguments are found before the model is loaded onto the device."""
    if spec.lr_scheduler_arguments is None:
        return
    import torch
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.zeros(1)])
    try:
        get_scheduler(
            spec.lr_scheduler_type.value,
            optimizer,
            num_warmup_steps=1,
            num_training_steps=spec.max_steps or 10,
            scheduler_specific_kwargs=dict(spec.lr_scheduler_arguments),
        )
    except (TypeError, ValueError) as error:
        words = str(error).split(") ")[-1]
        raise BadSpec(f"{SCHEDULE_FIELD}: {spec.lr_scheduler_type}: {words}", SCHEDULE_FIELD) from error
