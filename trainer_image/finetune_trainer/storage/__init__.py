"""Access to where models, data and results live: S3, PersistentVolumeClaims and the Hugging Face Hub."""

from finetune_api.parts.sources import Source
from finetune_trainer.errors import BadSpec
from finetune_trainer.storage.access import Access, Credentials, Storage, StoredFile


def open_storage(source: Source, access: Access) -> Storage:
    """Return the storage that `source` names. Client libraries are imported only when their scheme is used.

    Raises BadSpec for a path that leaves its container, and for a job:// source that nobody has resolved.
    """
    match source.scheme:
        case "s3":
            from finetune_trainer.storage.s3 import S3Storage

            return S3Storage(source, access)
        case "pvc":
            from finetune_trainer.storage.pvc import VolumeStorage

            return VolumeStorage(source, access)
        case "hf":
            from finetune_trainer.storage.hub import HubStorage

            return HubStorage(source, access)
        case "job":
            raise BadSpec(
                f"{access.field}: {source} names a FineTuneJob, which only the operator can look up; without it, name"
                " the URI in that job's status.artifact",
                access.field,
            )


__all__ = ["Access", "Credentials", "Storage", "StoredFile", "open_storage"]
