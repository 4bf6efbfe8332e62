"""Settings of the whole machine that a kubelet changes when it starts."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_NAMES = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_FOLDER = Path("/proc/sys")


def read() -> dict[str, str]:
    """The settings as they are now."""
    return {name: (_FOLDER / name).read_text().strip() for name in _NAMES if (_FOLDER / name).exists()}


def restore(values: Mapping[str, str]) -> None:
    """Set what differs back to these values; what this system does not let us set stays."""
    for name, value in values.items():
        if (_FOLDER / name).read_text().strip() != value:
            with suppress(OSError):
                (_FOLDER / name).write_text(value)
