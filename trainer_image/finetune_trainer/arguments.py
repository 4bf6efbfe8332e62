"""The spec's training block as transformers' TrainingArguments."""

from pathlib import Path
from typing import Any

from finetune_api.training import DEFAULT_EPOCHS, TrainingSpec
from finetune_trainer.batches import Batches
from finetune_trainer.device import Device
from finetune_trainer.errors import BadSpec

SCHEDULE_FIELD = "spec.training.lrSchedulerArguments"


def training_arguments(spec: TrainingSpec, batches: Batches, device: Device, output: Path) -> dict[str, Any]:
    """Return transformers' TrainingArguments for the spec. Raises BadSpec if the schedule refuses its arguments."""
    _check_schedule(spec)
    return {
        "output_dir": str(output),
        "num_train_epochs": spec.epochs or DEFAULT_EPOCHS,
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
