"""Which files of a dataset on the Hub make a split: as its card says, or as the files' names tell."""

import re
from typing import Any

import yaml

from finetune_trainer.data.formats.reading import format_of
from finetune_trainer.data.origins.globs import matches_pattern
from finetune_trainer.errors import BadSpec, MissingInput

KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing"),
}
DEFAULT = "default"


def files_of_split(names: list[str], card: str, split: str, field: str) -> set[str]:
    """Return the names of the files of a split. `card` is the text of README.md; `field` is named in errors.

    Raises BadSpec if the dataset has several subsets, MissingInput if it has no such split.
    """
    splits = _splits_of_card(names, card, field) or _splits_by_name(names)
    if not splits.get(split):
        there = ", ".join(sorted(splits)) or "none"
        raise MissingInput(
            f"the dataset has no split {split!r}; there are: {there}; set split, or name files in {field}:"
            " hf://datasets/organisation/name/path/*.parquet",
            field,
        )
    return splits[split]


def _splits_of_card(names: list[str], card: str, field: str) -> dict[str, set[str]]:
    """Return the splits that the card's header lists under configs; empty if it lists none."""
    listed = _header(card).get("configs")
    listed = listed if isinstance(listed, list) else []
    configs = [config for config in listed if isinstance(config, dict) and config.get("data_files")]
    if not configs:
        return {}
    chosen = [config for config in configs if config.get("default") or config.get("config_name") == DEFAULT] or configs
    if len(chosen) > 1:
        subsets = ", ".join(str(config.get("config_name")) for config in chosen)
        raise BadSpec(
            f"the dataset has several subsets ({subsets}); name the files of one in {field}:"
            " hf://datasets/organisation/name/path/*.parquet",
            field,
        )
    found: dict[str, set[str]] = {}
    for split, pattern in _patterns(chosen[0]["data_files"]):
        found.setdefault(split, set()).update(name for name in names if matches_pattern(name, pattern))
    return found


def _header(card: str) -> dict[str, Any]:
    """Return the YAML between the lines --- at a card's beginning; empty where there is none that can be read."""
    found = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card, re.DOTALL)
    try:
        header = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return {}
    return header if isinstance(header, dict) else {}


def _patterns(data_files: Any) -> list[tuple[str, str]]:
    """Return (split, pattern) pairs of what a card writes as text, list of texts, or list of {split, path}."""
    entries = data_files if isinstance(data_files, list) else [data_files]
    found = []
    for entry in entries:
        split, paths = (entry.get("split", "train"), entry.get("path")) if isinstance(entry, dict) else ("train", entry)
        found += [(str(split), str(path)) for path in (paths if isinstance(paths, list) else [paths])]
    return found


def _splits_by_name(names: list[str]) -> dict[str, set[str]]:
    """Return the splits that file and folder names tell; all files are train if none tells anything."""
    data = {name for name in names if format_of(name, None) and not name.startswith(".")}
    found = {split: {name for name in data if _tells(name, words)} for split, words in KEYWORDS.items()}
    return {split: files for split, files in found.items() if files} or {"train": data}


def _tells(name: str, words: tuple[str, ...]) -> bool:
    return re.search(rf"(^|[/._ 0-9-])({'|'.join(words)})([/._ 0-9-]|$)", name, re.IGNORECASE) is not None
