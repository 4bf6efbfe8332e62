"""What the run computes on, and in which number format."""

from dataclasses import dataclass
from typing import Any

from finetune_api.training import Precision
from finetune_trainer.log import say


@dataclass(frozen=True)
class Device:
    """`name` is `cpu` or `cuda`; with `bfloat16`, matrix products are computed in it."""

    name: str
    bfloat16: bool

    def autocast(self) -> Any:
        """Return the context in which forward passes run."""
        import torch

        return torch.autocast(self.name, dtype=torch.bfloat16, enabled=self.bfloat16)


def choose_device(precision: Precision, gpus: int, threads: int) -> Device:
    """Return the GPU if there is one, else the CPU with so many threads. Auto is bfloat16 on GPUs that have it."""
    import torch

    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        bfloat16 = precision is Precision.BF16 or (precision is Precision.AUTO and torch.cuda.is_bf16_supported())
        say("model", f"computing on {torch.cuda.get_device_name()} in {'bfloat16' if bfloat16 else 'float32'}")
        return Device("cuda", bfloat16)
    if gpus:
        say("model", f"spec.compute.gpus is {gpus}, but this pod sees no GPU; computing on the CPU")
    bfloat16 = precision is Precision.BF16
    say("model", f"computing on {threads} CPU threads in {'bfloat16' if bfloat16 else 'float32'}")
    return Device("cpu", bfloat16)
