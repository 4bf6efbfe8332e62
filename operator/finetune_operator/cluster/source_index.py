"""Who reads whose model: lets the readers of a FineTuneJob know when what they see of it has changed."""

from collections.abc import Callable, Iterator

from finetune_operator.cluster.key import Key
from finetune_operator.resource.chains import SourceView


class SourceIndex:
    """The views of all FineTuneJobs, and the way back from each to its readers."""

    def __init__(self, on_change: Callable[[Key], None]) -> None:
        self._on_change = on_change
        self._views: dict[Key, SourceView] = {}
        self._readers: dict[Key, set[Key]] = {}

    def put(self, key: Key, view: SourceView | None) -> None:
        """Take in how a FineTuneJob looks now, None when it is gone; its readers are told if that is news."""
        known = self._views.get(key)
        if view == known:
            return
        self._index(key, known, view)
        if view is None:
            del self._views[key]
        else:
            self._views[key] = view
        for reader in self._downstream(key):
            self._on_change(reader)

    def upstream(self, key: Key) -> dict[str, SourceView]:
        """Return the FineTuneJobs that this one reads from, over any number of steps, by name."""
        found: dict[str, SourceView] = {}
        view = self._views.get(key)
        names = set(view.sources) if view else set()
        while names:
            name = names.pop()
            source = self._views.get(Key(key.namespace, name))
            if source is not None and name not in found:
                found[name] = source
                names |= source.sources
        return found

    def _downstream(self, key: Key) -> Iterator[Key]:
        """Yield all that read from this FineTuneJob, over any number of steps: a cycle concerns each member."""
        waiting, seen = list(self._readers.get(key, ())), {key}
        while waiting:
            reader = waiting.pop()
            if reader not in seen:
                seen.add(reader)
                waiting += self._readers.get(reader, ())
                yield reader

    def _index(self, reader: Key, known: SourceView | None, view: SourceView | None) -> None:
        before = known.sources if known else frozenset()
        after = view.sources if view else frozenset()
        for name in before - after:
            self._readers[Key(reader.namespace, name)].discard(reader)
        for name in after - before:
            self._readers.setdefault(Key(reader.namespace, name), set()).add(reader)
