"""The part of a model that reads and writes text: some models see and hear as well, and nothing here teaches that."""

import re
import shutil
from pathlib import Path
from typing import Any

PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
"""How a model's pictures and sounds are prepared, in files of their own."""


def other_parts(model: Any) -> list[str]:
    """Return the names of the outermost modules that have nothing to do with text, such as a vision tower."""
    text = model.config.get_text_config()
    if text is model.config or model.config.is_encoder_decoder:
        return []
    modules = dict(model.named_modules())
    reading = [name for name, module in modules.items() if type(getattr(module, "config", None)) is type(text)]
    if "" in reading or not reading:
        return []
    head = model.get_output_embeddings()
    kept = {*reading, *(name for name, module in modules.items() if module is head)}
    around = {"", *(name[: dot.start()] for name in kept for dot in re.finditer(r"\.", name))} - kept
    inside = tuple(f"{name}." for name in kept)
    return [
        name
        for name in modules
        if name.rpartition(".")[0] in around and name not in around | kept and not name.startswith(inside)
    ]


def outside_of_text(model: Any) -> str | None:
    """Return a pattern of the names of all modules that have nothing to do with text; None if there are none."""
    names = "|".join(map(re.escape, other_parts(model)))
    return rf"({names})(\..*)?" if names else None


def copy_processor(model: Any, base: Path, folder: Path) -> None:
    """Let the files that the model's other parts need travel along from the folder `base`."""
    if not other_parts(model):
        return
    for name in PROCESSOR_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
