"""The code of the user's own metrics: taken into the workspace when judging begins, the same for all models."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from finetune_api.parts.metrics import MetricSpec
from finetune_trainer.config import Settings, spec_source
from finetune_trainer.errors import MissingInput
from finetune_trainer.log import say
from finetune_trainer.runtime.workspace import write_atomically
from finetune_trainer.storage import open_storage
from finetune_trainer.user_code.code import check_python, place_of, read_mounted

RETRY = "correct it and set spec.retry to a new value"
"""A failed launch leaves no code behind: the next one takes it as it is then."""


def keep_metrics(metrics: Sequence[MetricSpec], settings: Settings, into: Path) -> dict[str, str]:
    """Copy each metric to `<into>/<name>/<script>/<script>.py`; return their digests, `sha256:<hex>`, by name.

    Raises MissingInput for a script that is not there, BadSpec, with the line, for one that is not Python, and what
    storages raise.
    """
    shutil.rmtree(into, ignore_errors=True)
    return {metric.name: _keep(metric, settings, into / metric.name / metric.script) for metric in metrics}


def metric_place(metric: MetricSpec) -> str:
    """Return how messages call the place that a metric's code came from."""
    return place_of(metric.config_map_key_ref) if metric.config_map_key_ref else str(metric.source)


def _keep(metric: MetricSpec, settings: Settings, folder: Path) -> str:
    files = _read(metric, settings)
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        shown = f"{metric.source}/{name}" if metric.source else metric_place(metric)
        check_python(content, shown, metric.code_field, RETRY)
        write_atomically(folder / name, content)
        digest.update(content if len(files) == 1 else f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    say("model", f"metric {metric.name}, {metric_place(metric)}: sha256:{digest.hexdigest()[:12]}")
    return f"sha256:{digest.hexdigest()}"


def _read(metric: MetricSpec, settings: Settings) -> dict[str, bytes]:
    """Return the content of the script, and of the Python files beside it, by name."""
    field, script = metric.code_field, f"{metric.script}.py"
    if metric.config_map_key_ref:
        return {script: read_mounted(settings.code / metric.code_name, metric.config_map_key_ref, field)}
    source = spec_source(str(metric.source), field)
    storage = open_storage(source, settings.access("dataset", field))
    names = [file.path for file in storage.list_files(("*.py",)) if "/" not in file.path]
    if script not in names:
        found = ", ".join(names[:5]) or "no Python file"
        raise MissingInput(
            f"{field}: {source} holds no {script} (found: {found}); a metric's script is named as its folder is", field
        )
    return {name: storage.read(name) for name in names}
