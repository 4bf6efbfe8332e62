"""Whether an object is really gone: watches and lists by labels also lose one that has only lost a label."""

from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.port import Cluster
from finetune_operator.kinds import FINETUNE_JOB, Manifest, kind_of
from finetune_operator.manifests import is_deleting, name_of, namespace_of, uid_of


async def take_leave(cluster: Cluster, cache: Cache, manifest: Manifest, version: int) -> bool:
    """Forget an object unless the API server still has it; return whether it is gone.

    version: of the absence; what is older is stale. Raises a ClusterError, and forgets nothing, when the server
    does not say.
    """
    may_live = kind_of(manifest) != FINETUNE_JOB and not is_deleting(manifest)
    if may_live and cache.has_owner(manifest):
        live = await cluster.get(kind_of(manifest), namespace_of(manifest), name_of(manifest))
        if live is not None and uid_of(live) == uid_of(manifest):
            cache.put(live)
            return False
    cache.remove(manifest, version)
    return True
