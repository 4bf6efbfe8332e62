"""The informer store: the newest version of every object that watches, lists and own writes have shown."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable

from finetune_api.keys import ANNOTATION_JOB_NAME
from finetune_operator.chains import SourceView, view_of
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.source_index import SourceIndex
from finetune_operator.kinds import FINETUNE_JOB, JOB, POD, Kind, Manifest, kind_of
from finetune_operator.manifests import annotation_of, name_of, namespace_of, owner_uid, uid_of, version_of

REMEMBERED_DELETIONS = 20_000


class Cache:
    """Objects by uid, indexed by the FineTuneJob that they belong to. The newest resourceVersion wins.

    on_source_change: called with each FineTuneJob that reads the model of one that has changed for it.
    """

    def __init__(self, on_source_change: Callable[[Key], None]) -> None:
        self._sources = SourceIndex(on_source_change)
        self._objects: dict[str, Manifest] = {}
        self._resources: dict[Key, str] = {}
        self._children: dict[str, set[str]] = {}
        self._departed: dict[str, dict[str, Manifest]] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()

    def put(self, manifest: Manifest) -> bool:
        """Store the object; return whether it is newer than what was known."""
        uid = uid_of(manifest)
        known = self._objects.get(uid)
        if uid in self._deleted or (known is not None and version_of(known) >= version_of(manifest)):
            return False
        manifest = {**manifest, "metadata": {**manifest["metadata"]}}
        manifest["metadata"].pop("managedFields", None)
        self._objects[uid] = manifest
        if kind_of(manifest) == FINETUNE_JOB:
            key = Key(namespace_of(manifest), name_of(manifest))
            self._resources[key] = uid
            self._sources.put(key, view_of(manifest))
        else:
            self._children.setdefault(owner_uid(manifest), set()).add(uid)
        return True

    def remove(self, manifest: Manifest) -> None:
        """Forget the object. Its last words are kept until `forget_departed`."""
        uid = uid_of(manifest)
        self._deleted[uid] = None
        while len(self._deleted) > REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)
        self._objects.pop(uid, None)
        if kind_of(manifest) == FINETUNE_JOB:
            key = Key(namespace_of(manifest), name_of(manifest))
            if self._resources.get(key) == uid:
                del self._resources[key]
                self._sources.put(key, None)
            self._departed.pop(uid, None)
            return
        self._children.get(owner_uid(manifest), set()).discard(uid)
        if not self._children.get(owner_uid(manifest)):
            self._children.pop(owner_uid(manifest), None)
        if kind_of(manifest) in (JOB, POD) and owner_uid(manifest) in self._objects:
            self._departed.setdefault(owner_uid(manifest), {})[uid] = manifest

    def resource(self, key: Key) -> Manifest | None:
        """Return the FineTuneJob of this name."""
        return self._objects.get(self._resources.get(key, ""))

    def sources(self, key: Key) -> dict[str, SourceView]:
        """Return the FineTuneJobs that this one's `job://` sources lead to, over any number of steps, by name."""
        return self._sources.upstream(key)

    def children(self, uid: str) -> list[Manifest]:
        """Return what belongs to the FineTuneJob with this uid, in a stable order."""
        return [self._objects[child] for child in sorted(self._children.get(uid, ()))]

    def departed(self, uid: str) -> list[Manifest]:
        """Return Jobs and pods of this FineTuneJob that went since its status was last written."""
        return list(self._departed.get(uid, {}).values())

    def forget_departed(self, uid: str, seen: Iterable[Manifest]) -> None:
        """Drop last words that the status now carries."""
        known = self._departed.get(uid, {})
        for manifest in seen:
            known.pop(uid_of(manifest), None)
        if not known:
            self._departed.pop(uid, None)

    def key_of(self, manifest: Manifest) -> Key | None:
        """Return the FineTuneJob that an object belongs to, None when it belongs to none."""
        if kind_of(manifest) == FINETUNE_JOB:
            return Key(namespace_of(manifest), name_of(manifest))
        owner = self._objects.get(owner_uid(manifest))
        name = name_of(owner) if owner else annotation_of(manifest, ANNOTATION_JOB_NAME)
        return Key(namespace_of(manifest), name) if name else None

    def all_keys(self) -> list[Key]:
        """Return the names of all FineTuneJobs."""
        return list(self._resources)

    def of_kind(self, kind: Kind) -> list[Manifest]:
        """Return every known object of a kind."""
        return [manifest for manifest in self._objects.values() if manifest["kind"] == kind.kind]

    def phases(self) -> dict[str, int]:
        """Count the FineTuneJobs by phase."""
        resources = (self._objects[uid] for uid in self._resources.values())
        return Counter((resource.get("status") or {}).get("phase") or "Unknown" for resource in resources)
