"""What can go wrong here. Messages say what to do next; the command line prints them without a traceback.

DevclusterError
├── MissingTools     a program that the cluster needs is not installed
├── BuildFailed      the Kubernetes programs could not be built
├── NotReady         a component did not become ready in time
├── WrongOwner       the cluster belongs to another checkout
└── CommandFailed    a program that the cluster was set up with failed
"""


class DevclusterError(Exception):
    """Base of every error that this package raises on purpose."""


class MissingTools(DevclusterError):
    """A program that the cluster needs is not installed."""


class BuildFailed(DevclusterError):
    """The Kubernetes programs could not be built."""


class NotReady(DevclusterError):
    """A component did not become ready in time; the message holds the end of its log."""


class WrongOwner(DevclusterError):
    """The cluster was started from another checkout."""


class CommandFailed(DevclusterError):
    """A program ended with a status other than zero; the message holds its output."""
