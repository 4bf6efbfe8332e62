"""What the API server can answer, as far as the operator tells answers apart.

ClusterError
├── NotFound      404: the object, or the namespace, is gone
├── Conflict      409: somebody else was faster
├── Refused       400, 403, 422: quota, admission, permission or validation; the message says which
└── Unavailable   no answer in time, too many requests, or a server error: worth another try
SettingsError     the command line or the environment is wrong
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """What was asked of the API server: create, apply, patch, delete or status of an object; or a read."""

    verb: str = "read"
    kind: str = ""
    name: str = ""


class ClusterError(Exception):
    """Base of every answer of the API server other than success. attempt: what was asked."""

    attempt = Attempt()


class NotFound(ClusterError):
    """The object, or the namespace, is gone."""


class Conflict(ClusterError):
    """Somebody else was faster, or owns a field."""


class Refused(ClusterError):
    """Quota, admission, permission or validation refused the request; retrying alone will not help."""


class Unavailable(ClusterError):
    """No answer in time, too many requests, or a server error."""


class SettingsError(Exception):
    """The command line or the environment is wrong; the message names the option."""
