"""Stage Push: publish the exported folder; the manifest appears last, so a half-published model is never taken."""

from finetune_api.handoff import MANIFEST_NAME
from finetune_trainer.artifact import Manifest, parse_manifest
from finetune_trainer.errors import CorruptArtifact, MissingInput
from finetune_trainer.log import say
from finetune_trainer.records import ExportRecord, ModelRecord, PushRecord
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.storage import Storage


def push(export: ExportRecord, model: ModelRecord, storage: Storage, workspace: Workspace) -> PushRecord:
    """Publish the export to `storage`, unless the same files are there already. Raises what storages raise."""
    uri = str(storage.source)
    present = _published(storage)
    if present and present.digest == export.digest:
        say("push", f"{uri} holds {export.digest[:19]} already")
    else:
        storage.upload_tree(workspace.path(export.folder), MANIFEST_NAME)
        say("push", f"{uri}  {export.size_bytes / 1e6:.1f} MB  {export.digest[:19]}")
    return PushRecord(uri, export.digest, export.size_bytes, model.revision)


def belongs_to_another(storage: Storage, uid: str, digest: str) -> bool:
    """Tell whether other files lie there that a FineTuneJob with another uid published, and may still serve.

    One of the same namespace and name in another cluster, or one that was deleted and applied again.
    """
    present = _published(storage)
    return present is not None and present.digest != digest and present.owner not in (None, uid)


def _published(storage: Storage) -> Manifest | None:
    """Return the manifest that is published there, if all of its files are."""
    try:
        manifest = parse_manifest(storage.read(MANIFEST_NAME), str(storage.source))
    except (MissingInput, CorruptArtifact):
        return None
    sizes = {file.path: file.size_bytes for file in storage.list_files()}
    whole = all(sizes.get(file.path) == file.size_bytes for file in manifest.files)
    return manifest if whole else None
