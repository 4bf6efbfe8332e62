"""Bring a published model to the pod that serves it, and let nothing else through."""

import glob
from pathlib import Path

from finetune_api.handoff import MANIFEST_NAME
from finetune_api.parts.sources import parse_source
from finetune_trainer.artifact import parse_manifest, verify
from finetune_trainer.errors import BadSpec, CorruptArtifact
from finetune_trainer.storage import Access, Credentials, open_storage

FIELD = "spec.output.destination"
SECRET_BLOCK = "output"


def fetch_model(uri: str, digest: str, into: Path, secrets: Path, volumes: Path) -> Path:
    """Copy the files that the manifest at `uri` lists into `into` and check them; a pvc:// is checked in place.

    Returns the folder that holds them. Raises CorruptArtifact if manifest or files differ from `digest`, and
    MissingInput, NoAccess, Unavailable or BadSpec as the storage does.
    """
    try:
        source = parse_source(uri)
    except ValueError as error:
        raise BadSpec(str(error), FIELD) from error
    credentials = Credentials.from_folder(secrets / SECRET_BLOCK)
    storage = open_storage(source, Access(FIELD, credentials, volumes))
    manifest = parse_manifest(storage.read(MANIFEST_NAME), uri)
    if manifest.digest != digest:
        raise CorruptArtifact(f"{uri} has digest {manifest.digest}, expected {digest}; was it published again?")
    wanted = [glob.escape(path) for path in (*manifest.paths, MANIFEST_NAME)]
    folder = storage.fetch_tree(into, wanted)
    verify(folder, digest)
    return folder
