"""Access to where models, data and results live: S3, PersistentVolumeClaims and the Hugging Face Hub."""

from finetune_api.sources import Source
from finetune_trainer.storage.access import Access, Credentials, Storage, StoredFile


def open_storage(source: Source, access: Access) -> Storage:
    """Return the storage that `source` names. Client libraries are imported only when their scheme is used.

    Raises BadSpec for a path that leaves its container.
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


__all__ = ["Access", "Credentials", "Storage", "StoredFile", "open_storage"]
