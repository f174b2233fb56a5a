"""What can go wrong between us and a machine; no other exception leaves this package."""

from core.errors import SlipwayError


class RemoteError(SlipwayError):
    """A machine did not do what was asked over SSH."""

    code = "E_REMOTE"
    type = "provider_error"
    http_status = 502


class HostKeyMismatchError(RemoteError):
    """The machine shows another host key than the pinned one; nothing was sent to it (F30)."""

    code = "E_HOSTKEY"


class SshAuthError(RemoteError):
    """The machine answers, but does not let our login key in (F29)."""

    code = "E_SSH_AUTH"


class SshUnreachableError(RemoteError):
    """No connection, or one that broke or fell silent. What was under way has no known outcome."""

    code = "E_SSH_UNREACHABLE"


class RemoteFileMissingError(RemoteError):
    """There is no such regular file on the machine; links and devices do not count (F62)."""

    code = "E_REMOTE_FILE_MISSING"
