"""The trainer's own lines for people, and silence for the libraries' walls of warnings and progress bars."""

import logging
import sys
import warnings

LOGGER = logging.getLogger("finetune_trainer")


def configure() -> None:
    """Print the trainer's lines to standard output as they come; of other libraries, errors only."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler], force=True)
    LOGGER.setLevel(logging.INFO)
    warnings.simplefilter("ignore")


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
