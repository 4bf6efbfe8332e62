"""The trainer's own lines for people, and silence for the libraries' walls of warnings and progress bars."""

import logging
import sys
import warnings
from typing import TextIO

from finetune_trainer.errors import TrainerError

LOGGER = logging.getLogger("finetune_trainer")


def configure() -> None:
    """Print the trainer's lines to standard output as they come; of other libraries, errors only."""
    handler = _Lines(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler], force=True)
    LOGGER.setLevel(logging.INFO)
    warnings.simplefilter("ignore")


class _Lines(logging.StreamHandler[TextIO]):
    """Lets pass what a signal's handler raises while a line is printed; logging would keep it to itself."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if isinstance(sys.exc_info()[1], TrainerError):
            raise  # noqa: PLE0704 - called by logging from where it was caught
        super().handleError(record)


def say(stage: str, words: str) -> None:
    """Print one line: the stage, then what happened."""
    LOGGER.info("%-9s %s", stage, words)


def silence_transformers() -> None:
    """Turn off the warnings and progress bars of transformers and datasets."""
    import datasets
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
