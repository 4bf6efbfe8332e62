"""What the run computes on, and in which number format."""

import gc
import sys
from dataclasses import dataclass
from typing import Any

from finetune_api.handoff import RunResources
from finetune_api.spec.training import Precision
from finetune_trainer.errors import NoAccelerator
from finetune_trainer.log import say

OUT_OF_MEMORY = (
    "CUDA error: out of memory",
    "CUDA out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
)
BROKEN_DEVICE = (
    "uncorrectable ECC error",
    "unspecified launch failure",
    "device(s) is/are busy or unavailable",
    "GPU is lost",
    "CUDA error: initialization error",
    "CUDA error: unknown error",
    "NCCL error",
    "ncclUnhandledCudaError",
    "ncclSystemError",
)
SPARE_BYTES = 2 * 2**30
"""Left free beside the weights of a model that answers: activations, and the logits of a batch."""


@dataclass(frozen=True)
class Device:
    """`name` is `cpu` or `cuda`; with `bfloat16`, matrix products are computed in it."""

    name: str
    bfloat16: bool

    def autocast(self) -> Any:
        """Return the context in which forward passes run."""
        import torch

        return torch.autocast(self.name, dtype=torch.bfloat16, enabled=self.bfloat16)

    def place(self, model: Any) -> Any:
        """Return the model ready to answer on the device.

        Weights for which a GPU has no room wait in the host's memory and are brought to it layer by layer, so that
        what was trained in 4 bits is evaluated in full on the same GPU, slowly.
        """
        import torch

        model.eval()
        if self.name != "cuda" or all(parameter.is_cuda for parameter in model.parameters()):
            return model.to(self.name)
        gc.collect()
        torch.cuda.empty_cache()
        room = torch.cuda.mem_get_info()[0] - SPARE_BYTES
        size = model.get_memory_footprint()
        return model.to(self.name) if size <= room else _by_layers(model, size, room)


def _by_layers(model: Any, size_bytes: int, room_bytes: int) -> Any:
    from accelerate import dispatch_model, infer_auto_device_map

    say("model", f"{size_bytes / 1e9:.1f} GB of weights, room for {room_bytes / 1e9:.1f} GB: some come layer by layer")
    memory = {0: max(room_bytes, 0), "cpu": 2 * size_bytes}
    places = infer_auto_device_map(model, max_memory=memory, no_split_module_classes=model._no_split_modules)
    return dispatch_model(model, places, main_device=0)


def choose_device(precision: Precision, compute: RunResources, threads: int, *, pretended: bool) -> Device:
    """Return the GPU if there is one, else the CPU with so many threads. Auto is bfloat16 on GPUs that have it.

    pretended: the cluster only says that it has GPUs. Raises NoAccelerator if one was asked for and none can be used.
    """
    import torch

    torch.set_num_threads(threads)
    if has_gpu("spec.compute", compute.gpus, compute.gpu_resource_name, pretended=pretended):
        bfloat16 = precision is Precision.BF16 or (precision is Precision.AUTO and torch.cuda.is_bf16_supported())
        say("model", f"computing on {torch.cuda.get_device_name()} in {'bfloat16' if bfloat16 else 'float32'}")
        return Device("cuda", bfloat16)
    bfloat16 = precision is Precision.BF16
    say("model", f"computing on {threads} CPU threads in {'bfloat16' if bfloat16 else 'float32'}")
    return Device("cpu", bfloat16)


def has_gpu(block: str, gpus: int, resource_name: str, *, pretended: bool) -> bool:
    """Return whether there is a GPU to compute on.

    block: the part of the spec that asks for `gpus` of the resource. Raises NoAccelerator where it asks for some, none
    can be used, and the cluster does not say that it only pretends to have them.
    """
    fault = _fault()
    if fault is None:
        return True
    if not gpus or pretended:
        return False
    raise NoAccelerator(
        f"{block}.gpus asks for {gpus} {resource_name}, but PyTorch finds none that it can use: {fault}. Check the"
        f" node's driver and device plugin and {block}.runtimeClassName, and that {block}.image is built for this GPU;"
        f" or set {block}.gpus to 0 to compute on the CPU",
        f"{block}.gpus",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a GPU's memory was too small, by whatever name CUDA's libraries report it."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)


def device_failure(error: BaseException) -> NoAccelerator | None:
    """Return what an error of the GPU itself stands for: another node, or another try, may do better; else None."""
    words = " ".join(str(error).split())
    if not isinstance(error, RuntimeError) or not any(known in words for known in BROKEN_DEVICE):
        return None
    return NoAccelerator(f"the GPU failed while it was used: {words[:300]}; see the node's kernel log (Xid)")


def _fault() -> str | None:
    """Return why PyTorch can compute on no GPU, None if it can."""
    import torch

    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    try:
        torch.ones(1, device="cuda").add_(1).item()
    except (RuntimeError, AssertionError) as error:
        words = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
        return f"{words} (PyTorch {torch.__version__}, {built})"
    return None
