"""The trainer's own lines, for people or as JSON; silence for the libraries' walls of warnings and progress bars."""

import json
import logging
import sys
import warnings
from datetime import UTC, datetime
from typing import TextIO

from finetune_trainer.errors import TrainerError

LOGGER = logging.getLogger("finetune_trainer")
_ABOUT: dict[str, str] = {}


def configure(log_format: str = "plain") -> None:
    """Print the trainer's lines to standard output as they come; of other libraries, errors only.

    log_format: json for an object in each line; anything else is for people.
    """
    handler = _Lines(sys.stdout)
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler], force=True)
    LOGGER.setLevel(logging.INFO)
    warnings.simplefilter("ignore")


def about(**values: str) -> None:
    """Let every JSON line from now on have these fields: whose run it is."""
    _ABOUT.update(values)


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON; what was said has its stage apart."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **_ABOUT,
            **getattr(record, "said", {"message": record.getMessage()}),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class _Lines(logging.StreamHandler[TextIO]):
    """Lets pass what a signal's handler raises while a line is printed; logging would keep it to itself."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if isinstance(sys.exc_info()[1], TrainerError):
            raise  # noqa: PLE0704 - called by logging from where it was caught
        super().handleError(record)


def say(stage: str, words: str) -> None:
    """Print one line: the stage, then what happened."""
    LOGGER.info("%-9s %s", stage, words, extra={"said": {"stage": stage, "message": words}})


def warn(words: str) -> None:
    """Print one line that a person should see, whatever the stage."""
    LOGGER.warning("%-9s %s", "warning", words, extra={"said": {"message": words}})


def silence_transformers() -> None:
    """Turn off the warnings and progress bars of transformers and datasets."""
    import datasets
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
