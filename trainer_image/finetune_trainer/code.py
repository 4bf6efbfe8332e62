"""The user's own code: taken into the workspace when a run begins, so that all its attempts run the same."""

import hashlib
from pathlib import Path

from finetune_api.config_maps import ConfigMapKeyRef
from finetune_trainer.errors import BadSpec, MissingInput
from finetune_trainer.log import say
from finetune_trainer.workspace import write_atomically

RUN_AGAIN = "correct it and set spec.runId to a new value"
"""A run keeps the code that it began with, so that mending the ConfigMap alone changes nothing."""


def keep_code(wanted: dict[str, tuple[str, ConfigMapKeyRef]], mounted: Path, into: Path) -> dict[str, str]:
    """Copy the files that `RunRequest.code` names; return their digests, `sha256:<hex>`, by name.

    Raises MissingInput for a file that is not there, BadSpec, with the line, for one that is not Python.
    """
    digests = {}
    for name, (field, place) in wanted.items():
        shown = f"key {place.key} of ConfigMap {place.name}"
        try:
            content = (mounted / name).read_bytes()
        except FileNotFoundError as error:
            raise MissingInput(f"{field}: {shown} is not mounted as {mounted / name}", field) from error
        try:
            compile(content, shown, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            raise BadSpec(f"{field}: {shown}{line} is not Python: {error.args[0]}; {RUN_AGAIN}", field) from error
        write_atomically(into / name, content)
        digests[name] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        say("model", f"{shown}: {digests[name][:19]}")
    return digests
