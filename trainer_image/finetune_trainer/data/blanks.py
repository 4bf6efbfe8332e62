"""Values that say nothing."""

from typing import Any

from finetune_trainer.data.class_names import Nameless


def is_blank(value: Any) -> bool:
    """Tell whether there is nothing: no value, no class, or a text of spaces."""
    return value is None or isinstance(value, Nameless) or (isinstance(value, str) and not value.strip())
