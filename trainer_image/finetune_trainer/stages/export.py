"""Stage Export: the folder to publish: the evaluated weights, tokenizer, model card, figures, manifest."""

import json
import os
import shutil
from pathlib import Path

from finetune_api.handoff import RunRequest
from finetune_trainer.artifact import EVALUATION_FILE, write_manifest
from finetune_trainer.log import say
from finetune_trainer.records import ExportRecord, Results
from finetune_trainer.runtime.workspace import Workspace, write_atomically
from finetune_trainer.stages.card import model_card
from finetune_trainer.stages.report import build_report, thinned
from finetune_trainer.tasks import Recipe
from finetune_trainer.tracking.curves import publish_curves

CARD_FILE = "README.md"


def export(request: RunRequest, results: Results, recipe: Recipe, workspace: Workspace) -> ExportRecord:
    """Assemble the folder and write its manifest. The weights are the files that were evaluated, not copies."""
    report = build_report(request, results)
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(workspace.report_file, text)
    folder = workspace.export
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(workspace.path(results.train.folder), folder, copy_function=_link_or_copy)
    (folder / EVALUATION_FILE).write_text(text, encoding="utf-8")
    train = results.train
    publish_curves(folder, thinned(train.history), train.steps, results.evaluate.tuned.metrics)
    card = model_card(request, results, recipe)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    manifest = write_manifest(folder, request.uid)
    say("export", f"{len(manifest.files)} files, {manifest.size_bytes / 1e6:.1f} MB, {manifest.digest[:19]}")
    return ExportRecord(workspace.relative(folder), manifest.digest, manifest.size_bytes)


def _link_or_copy(source: str, target: str) -> str:
    """Link the file, so that gigabytes are not written twice; copy where the volume knows no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return str(Path(target))
