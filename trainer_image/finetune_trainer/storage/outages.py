"""What passes by itself, and what does not: only the former is worth waiting for, since a GPU may wait with the pod."""

import errno
import os
import ssl

# Soft mounts of network file systems give EIO and ESTALE when their server does not answer.
PASSING_ERRORS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EIO,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOTCONN,
        errno.EREMOTEIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
REQUEST_TIMEOUT, TOO_EARLY, TOO_MANY_REQUESTS = 408, 425, 429
NOT_IMPLEMENTED, VERSION_NOT_SUPPORTED = 501, 505
GO_ON = "then set spec.retry to a new value: what is done is kept"
UNTRUSTED = "has a certificate that the pod does not trust ({reason}); name its authority in spec.compute.caBundle"


def answer_passes(status: int) -> bool:
    """Tell whether the same request may be answered well later."""
    if status in (NOT_IMPLEMENTED, VERSION_NOT_SUPPORTED):
        return False
    return status >= 500 or status in (REQUEST_TIMEOUT, TOO_EARLY, TOO_MANY_REQUESTS)


def error_passes(error: OSError) -> bool:
    """Tell whether the network or a network file system is at fault, which may work later."""
    return isinstance(error, ConnectionError | TimeoutError) or error.errno in PASSING_ERRORS


def is_local(error: BaseException) -> bool:
    """Tell whether a download failed for this machine's sake, such as a full disk, and not for the network's."""
    if isinstance(error, OSError) and error.errno is not None:
        return not error_passes(error)
    return os.strerror(errno.ENOSPC) in str(error)


def distrust(error: BaseException) -> str | None:
    """Say that the host's certificate is not trusted, if that is why the request failed."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return UNTRUSTED.format(reason=seen.verify_message or "verification failed")
        seen = seen.__cause__ or seen.__context__
    return None
