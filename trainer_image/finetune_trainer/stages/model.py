"""Stage Model: fetch the base model and make sure that it can be loaded safely."""

import json
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatch
from math import prod
from pathlib import Path
from typing import Any

from finetune_api.handoff import MANIFEST_NAME
from finetune_trainer.artifact import Manifest, parse_manifest, verify_files
from finetune_trainer.errors import BadSpec, CorruptArtifact, MissingInput, Unavailable
from finetune_trainer.log import say
from finetune_trainer.records import ModelRecord
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.storage import Storage, StoredFile

WEIGHTS = "*.safetensors"
VOCABULARIES = ("*.json", "*.txt", "*.model", "*.spm", "*.tiktoken", "*.bpe", "*.codes", "*.tokenizer")
NEEDED = (WEIGHTS, *VOCABULARIES, "*.jinja", "additional_chat_templates/*.jinja")
# Mistral's releases hold the same weights a second time, in a layout of their own.
LEFT_OUT = ("consolidated*", "adapter_model*")
ADAPTER_CONFIG = "adapter_config.json"
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.msgpack", "*.h5")
DTYPE_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def fetch_model(
    storage: Storage, revision: str | None, into: Path, workspace: Workspace, *, field: str, digest: str | None = None
) -> ModelRecord:
    """Make a model available locally, downloading to `into` if need be.

    `field` of the spec names it. `revision` is the commit that was resolved, for hf:// sources. `digest` is that of a
    published artifact: nothing but its files is let through.

    Raises BadSpec for a folder that is no model in safetensors, CorruptArtifact for files that `digest` does not
    stand for, and what storages raise.
    """
    manifest = _published(storage, digest) if digest else None
    files = [file for file in storage.list_files() if "/" not in file.path or _is_needed(file.path)]
    needed = [file.path for file in files if _is_needed(file.path)]
    _check_no_adapter(storage, files, needed, field)
    _check_weights(str(storage.source), files, needed, field)
    folder = storage.fetch_tree(into, needed)
    _check_complete(folder, [file for file in files if file.path in needed], field)
    if manifest:
        verify_files(folder, manifest, needed)
    config = _read_config(folder, str(storage.source), field)
    dtype = _weight_dtype(folder, field)
    size = sum(file.size_bytes for file in files if file.path in needed)
    architecture = (config.get("architectures") or [config["model_type"]])[0]
    say("model", f"{storage.source}{f' at {revision[:12]}' if revision else ''}: {architecture}, {dtype}, {_mb(size)}")
    return ModelRecord(workspace.relative(folder), revision, architecture, dtype)


def _published(storage: Storage, digest: str) -> Manifest:
    manifest = parse_manifest(storage.read(MANIFEST_NAME), str(storage.source))
    if manifest.digest != digest:
        raise CorruptArtifact(f"{storage.source} has digest {manifest.digest}, expected {digest}")
    return manifest


def _is_needed(name: str) -> bool:
    """Tell whether a model or its tokenizer may be made from a file of that name."""
    patterns = [pattern for pattern in NEEDED if pattern.count("/") == name.count("/")]
    return _matches(name, patterns) and not _matches(name, LEFT_OUT)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _check_no_adapter(storage: Storage, files: list[StoredFile], needed: list[str], field: str) -> None:
    """Raise BadSpec for a folder with an adapter: alone it is no model, and beside weights it would be added to them.

    Whether weights beside an adapter hold it already cannot be told from the files.
    """
    names = [file.path for file in files]
    if ADAPTER_CONFIG not in names:
        return
    weights = next((name for name in needed if fnmatch(name, WEIGHTS)), None)
    if weights:
        raise BadSpec(
            f"{storage.source}: holds {ADAPTER_CONFIG} beside {weights}, and it cannot be told whether the adapter is"
            " merged into these weights already. If it is, remove adapter_config.json and adapter_model.safetensors; if"
            " not, merge it first: PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(...)",
            field,
        )
    raise BadSpec(
        f"{storage.source}: is an adapter{_base_of(storage)}, not a model; name its base model, or merge it first:"
        " PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(...), with the tokenizer",
        field,
    )


def _base_of(storage: Storage) -> str:
    """Return the words that name an adapter's base, if its configuration does."""
    try:
        base = json.loads(storage.read(ADAPTER_CONFIG)).get("base_model_name_or_path")
    except (ValueError, AttributeError):
        return ""
    return f" of {base}" if isinstance(base, str) and base else ""


def _check_weights(source: str, files: list[StoredFile], needed: list[str], field: str) -> None:
    if not files:
        raise MissingInput(
            f"{source}: no such folder, or it is empty; expected a model in the Hugging Face layout", field
        )
    if any(fnmatch(name, WEIGHTS) for name in needed):
        return
    pickled = [file.path for file in files if _matches(file.path, PICKLED)]
    if pickled:
        raise BadSpec(
            f"{source}: holds {pickled[0]} but no safetensors; other formats can run code when they are loaded and"
            " are refused. Convert it: load it where you trust it, then model.save_pretrained(...)",
            field,
        )
    names = ", ".join(file.path for file in files[:5])
    raise BadSpec(f"{source}: holds no *.safetensors (found: {names}); expected a model's folder", field)


def _check_complete(folder: Path, files: list[StoredFile], field: str) -> None:
    for file in files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.size_bytes:
            words = f"{file.path} of the model did not arrive whole; the next attempt fetches it again"
            raise Unavailable(words, field)


def _read_config(folder: Path, source: str, field: str) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError as error:
        raise BadSpec(f"{source}: holds no config.json; expected a model in the Hugging Face layout", field) from error
    except ValueError as error:
        raise BadSpec(f"{source}: config.json is not JSON: {error}", field) from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise BadSpec(f"{source}: config.json names no model_type; expected a transformers model", field)
    return config


def _weight_dtype(folder: Path, field: str) -> str:
    """Return the number format of most of the weights: float32, float16 or bfloat16."""
    counts: Counter[str] = Counter()
    for path in (path for path in folder.glob(WEIGHTS) if _is_needed(path.name)):
        for tensor in _safetensors_header(path, field).values():
            counts[str(tensor.get("dtype"))] += prod(tensor.get("shape", []))
    return DTYPE_NAMES.get(counts.most_common(1)[0][0], "float32") if counts else "float32"


def _safetensors_header(path: Path, field: str) -> dict[str, dict[str, Any]]:
    """Return the tensors' entries: 8 bytes give the length of the JSON that follows."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError(f"its header would be {length} bytes long")
            header: dict[str, dict[str, Any]] = json.loads(stream.read(length))
    except ValueError as error:
        raise MissingInput(f"{path.name} of the model is damaged: {error}; upload it again", field) from error
    header.pop("__metadata__", None)
    return header


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB"
