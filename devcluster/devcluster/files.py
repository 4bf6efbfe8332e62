"""Writing the files that programs read."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> Path:
    """Write the text and return the path. An equal file is left alone: kube-proxy ends when its own is written."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def write_json(path: Path, document: Mapping[str, Any]) -> Path:
    """Write the document and return its path."""
    return write_text(path, json.dumps(document, indent=1))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)
