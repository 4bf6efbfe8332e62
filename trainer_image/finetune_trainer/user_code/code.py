"""The user's own code: taken into the workspace when a run begins, so that all its attempts run the same."""

import hashlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from finetune_api.parts.config_maps import ConfigMapKeyRef
from finetune_trainer.errors import BadSpec, MissingInput, TrainerError, Unavailable
from finetune_trainer.log import say
from finetune_trainer.runtime.workspace import write_atomically

RUN_AGAIN = "correct it and set spec.runId to a new value"
"""A run keeps the code that it began with, so that mending the ConfigMap alone changes nothing."""
OWN_IMAGE = "packages that the image lacks come with an image of your own, spec.compute.image"
TOLD_LINES = 4
TOLD_CHARACTERS = 400
Result = TypeVar("Result")


def keep_code(wanted: dict[str, tuple[str, ConfigMapKeyRef]], mounted: Path, into: Path) -> dict[str, str]:
    """Copy the files that `RunRequest.training_code` names; return their digests, `sha256:<hex>`, by name.

    Raises what `read_mounted` and `check_python` do.
    """
    digests = {}
    for name, (field, place) in wanted.items():
        content = read_mounted(mounted / name, place, field)
        check_python(content, place_of(place), field, RUN_AGAIN)
        write_atomically(into / name, content)
        digests[name] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        say("model", f"{place_of(place)}: {digests[name][:19]}")
    return digests


def place_of(place: ConfigMapKeyRef) -> str:
    """Return how messages call a file that is mounted from a ConfigMap."""
    return f"key {place.key} of ConfigMap {place.name}"


def read_mounted(path: Path, place: ConfigMapKeyRef, field: str) -> bytes:
    """Return the content of a mounted file. Raises MissingInput if it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingInput(f"{field}: {place_of(place)} is not mounted as {path}", field) from error


def check_python(content: bytes, shown: str, field: str, advice: str) -> None:
    """Raise BadSpec, with the line and the advice, for a file that is not Python."""
    try:
        compile(content, shown, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise BadSpec(f"{field}: {shown}{line} is not Python: {error.args[0]}; {advice}", field) from error


@dataclass(frozen=True)
class OwnCode:
    """Code of the user's own while it runs: what it raises is told with the field, the line and what to do.

    `shown` is how messages call it, `path` the file or the folder that it runs from, `error` what it is refused by.
    """

    field: str
    shown: str
    path: Path
    advice: str
    error: type[BadSpec] = BadSpec

    def run(self, work: Callable[[], Result]) -> Result:
        """Do work in the code. Raises `error` if it fails, Unavailable if what it asks does not answer."""
        import torch

        try:
            return work()
        except (TrainerError, torch.OutOfMemoryError):
            raise  # Told to stop while it ran; or a retry with a smaller batch helps.
        except (ConnectionError, TimeoutError) as error:
            words = f"{self._said(self.what_failed(error))}; the next attempt goes on"
            raise Unavailable(words, self.field) from error
        except (Exception, SystemExit) as error:
            raise self.refused(self.what_failed(error)) from error

    def refused(self, what: str) -> BadSpec:
        """Return the error that says what is wrong with it, and what to do."""
        return self.error(f"{self._said(what)}; {self.advice}", self.field)

    def what_failed(self, error: BaseException) -> str:
        """Return an error in words: where in the code, and its first lines."""
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if self.path in _with_parents(frame.filename)
        ]
        last = frames[-1] if frames else None
        of_file = f" of {Path(last.filename).name}" if last and Path(last.filename) != self.path else ""
        where = f" in line {last.lineno}{of_file}" if last else ""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()][:TOLD_LINES]
        words = f"{type(error).__name__}: {' '.join(lines)}"[:TOLD_CHARACTERS]
        return f"failed{where}: {words}{f' ({OWN_IMAGE})' if isinstance(error, ImportError) else ''}"

    def _said(self, what: str) -> str:
        return f"{self.field}: {self.shown} {what}"


def _with_parents(name: str) -> tuple[Path, ...]:
    return Path(name), *Path(name).parents
