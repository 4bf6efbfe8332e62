"""The informer store: the newest version of every object that watches, lists and own writes have shown."""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from finetune_api.keys import ANNOTATION_JOB_NAME
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.sharing import Sharing
from finetune_operator.cluster.source_index import SourceIndex
from finetune_operator.cluster.trimmed import trimmed
from finetune_operator.kinds import FINETUNE_JOB, JOB, POD, Kind, Manifest, kind_of
from finetune_operator.manifests import (
    annotation_of,
    controller_of,
    name_of,
    namespace_of,
    owner_uid,
    uid_of,
    version_of,
)
from finetune_operator.resource.chains import SourceView, view_of

REMEMBERED_DELETIONS = 20_000


class Cache:
    """Objects by uid, indexed by the FineTuneJob that they belong to. The newest resourceVersion wins.

    That goes for deletions, too: a watch by labels tells of a deletion when a label goes, and the object lives on.

    on_source_change: called with each FineTuneJob that reads the model of one that has changed for it.
    """

    def __init__(self, on_source_change: Callable[[Key], None]) -> None:
        self._sources = SourceIndex(on_source_change)
        self._objects: dict[str, Manifest] = {}
        self._sharing = Sharing()
        self._resources: dict[Key, str] = {}
        self._children: dict[str, set[str]] = {}
        self._owners: dict[str, str] = {}
        self._departed: dict[str, dict[str, Manifest]] = {}
        self._deleted: OrderedDict[str, int] = OrderedDict()

    def put(self, manifest: Manifest) -> bool:
        """Store the object; return whether it is newer than what was known, be that its deletion."""
        uid, version = uid_of(manifest), version_of(manifest)
        known = self._objects.get(uid)
        if version < self._deleted.get(uid, 0) or (known is not None and version_of(known) >= version):
            return False
        self._deleted.pop(uid, None)
        self._objects[uid] = manifest = self._sharing.of(trimmed(manifest))
        if kind_of(manifest) == FINETUNE_JOB:
            key = Key(namespace_of(manifest), name_of(manifest))
            self._resources[key] = uid
            self._sources.put(key, view_of(manifest))
        else:
            owner = self._owner(manifest)
            self._belong(uid, owner)
            self._departed.get(owner, {}).pop(uid, None)
        return True

    def remove(self, manifest: Manifest, version: int | None = None) -> None:
        """Forget the object. Its last words are kept until `forget_departed`.

        version: the object's own, unless given: older states are stale from now on, newer ones bring it back.
        """
        uid = uid_of(manifest)
        version = version_of(manifest) if version is None else version
        if version < version_of(self._objects.get(uid, {"metadata": {}})):
            return
        self._deleted[uid] = version
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
        owner = self._owner(manifest)
        self._belong(uid, None)
        if kind_of(manifest) in (JOB, POD) and owner in self._objects:
            self._departed.setdefault(owner, {})[uid] = trimmed(manifest)

    def forget(self, manifests: Iterable[Manifest]) -> None:
        """Drop objects as if they had never been seen, and all deletions: history has begun anew."""
        for manifest in manifests:
            uid = uid_of(manifest)
            owner = self._owners.get(uid, "")
            self.remove(self._objects.get(uid, manifest))
            self._departed.pop(owner, None)
        self._deleted.clear()

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
        owner = self._objects.get(self._owner(manifest))
        name = name_of(owner) if owner else annotation_of(manifest, ANNOTATION_JOB_NAME)
        return Key(namespace_of(manifest), name) if name else None

    def has_owner(self, manifest: Manifest) -> bool:
        """Whether the FineTuneJob that an object belongs to is known."""
        return self._owner(manifest) in self._objects

    def deletions(self) -> dict[str, int]:
        """Return the newest deletions: of which version each is, by uid."""
        return dict(self._deleted)

    def all_keys(self) -> list[Key]:
        """Return the names of all FineTuneJobs."""
        return list(self._resources)

    def occupied_namespaces(self) -> set[str]:
        """Return the namespaces that have FineTuneJobs."""
        return {key.namespace for key in self._resources}

    def of_kind(self, kind: Kind) -> list[Manifest]:
        """Return every known object of a kind."""
        return [manifest for manifest in self._objects.values() if manifest["kind"] == kind.kind]

    def with_pods(self) -> list[tuple[Manifest, tuple[Manifest, ...]]]:
        """Return every FineTuneJob with its pods, as they are at this moment."""
        return [(self._objects[uid], self._pods(uid)) for uid in self._resources.values()]

    def _pods(self, uid: str) -> tuple[Manifest, ...]:
        children = (self._objects[child] for child in self._children.get(uid, ()))
        return tuple(child for child in children if child["kind"] == POD.kind)

    def _owner(self, manifest: Manifest) -> str:
        """Return the uid of the FineTuneJob that an object belongs to: a pod by its Job, whatever its labels say."""
        if kind_of(manifest) != POD:
            return owner_uid(manifest)
        made_by = self._objects.get(str((controller_of(manifest) or {}).get("uid")))
        return owner_uid(made_by) if made_by else self._owners.get(uid_of(manifest)) or owner_uid(manifest)

    def _belong(self, uid: str, owner: str | None) -> None:
        """Index an object under its owner; None takes it out."""
        before = self._owners.pop(uid, None)
        if before is not None and before != owner:
            self._children[before].discard(uid)
            if not self._children[before]:
                del self._children[before]
        if owner is not None:
            self._owners[uid] = owner
            self._children.setdefault(owner, set()).add(uid)
