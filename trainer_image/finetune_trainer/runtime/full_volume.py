"""A full volume, by whatever name a library reports it: what is full, of what, and what to do."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from finetune_trainer.errors import BadSpec

WORDS = ("no space left on device", "disk quota exceeded", "os error 28", "not enough space", "disk full")
"""As the C library, Rust's (safetensors, tokenizers), Arrow's and SQLite's texts have it."""
SPARE_BYTES = 2**20
"""A library that failed to write a large file may have taken its half away again, or have left just this much."""
WRITERS = ("PytorchStreamWriter", "inline_container", "unexpected pos", "requested and")
"""What torch and NumPy say when a file could not be written whole, whatever the cause."""
GIB = 2**30
SHOWN = 4


def is_full(error: BaseException, folders: tuple[Path, ...]) -> bool:
    """Tell whether the error, or one that it was raised from, is that of a full volume; `folders` lie on them."""
    for cause in _causes(error):
        words = str(cause)
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(known in words.lower() for known in WORDS):
            return True
        if any(known in words for known in WRITERS) and any(_free_bytes(folder) < SPARE_BYTES for folder in folders):
            return True
    return False


def full_volume(error: BaseException, workspace: Path, scratch: Path) -> BadSpec:
    """Say which of the two volumes is full, what fills it, and how the run goes on."""
    on_scratch = _named_below(error, scratch) or _free_bytes(scratch) < SPARE_BYTES <= _free_bytes(workspace)
    if on_scratch:
        field = "spec.compute.ephemeralStorage"
        return BadSpec(f"the pod's scratch space at {scratch} is full ({_use(scratch)}); raise {field}", field)
    field = "spec.storage.size"
    return BadSpec(
        f"the workspace volume is full ({_use(workspace)}); raise {field}, and set spec.retry to a new value: what is"
        " done is kept. An existing claim, or a storage class whose volumes cannot grow, needs a larger claim",
        field,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _named_below(error: BaseException, folder: Path) -> bool:
    names = [cause.filename for cause in _causes(error) if isinstance(cause, OSError)]
    return any(isinstance(name, str) and Path(name).is_relative_to(folder) for name in names)


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return SPARE_BYTES


def _use(folder: Path) -> str:
    """Return how large the volume is, and its largest parts."""
    try:
        total = shutil.disk_usage(folder).total
        sizes = {path.name: _size_bytes(path) for path in folder.iterdir()}
    except OSError:
        return "its use cannot be read"
    largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:SHOWN]
    parts = ", ".join(f"{name} {sizes[name] / GIB:.2g} GiB" for name in largest if sizes[name])
    return f"{total / GIB:.3g} GiB" + (f", of which {parts}" if parts else "")


def _size_bytes(path: Path) -> int:
    if not path.is_dir():
        return path.lstat().st_size
    return sum(found.lstat().st_size for found in path.rglob("*") if found.is_file())
