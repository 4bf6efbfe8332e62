"""Real Kubernetes on this machine in seconds: for the demo and for the tests."""

from .access import Access
from .cluster import Cluster
from .errors import BuildFailed, CommandFailed, DevclusterError, MissingTools, NotReady, WrongOwner
from .external import ExternalCluster, cluster
from .s3 import S3

__all__ = [
    "S3",
    "Access",
    "BuildFailed",
    "Cluster",
    "CommandFailed",
    "DevclusterError",
    "ExternalCluster",
    "MissingTools",
    "NotReady",
    "WrongOwner",
    "cluster",
]
