"""What can go wrong between a client and LXD, as one family of exceptions."""

from __future__ import annotations


class LxdError(Exception):
    """LXD refused, failed, or does not answer; in LXD's own words.

    Attributes:
        status: the HTTP status or the status code of the failed operation; 0 if there was none.
    """

    def __init__(self, message: str, *, status: int = 0):
        super().__init__(message)
        self.status = status


class UnreachableError(LxdError):
    """Nobody listens, or the connection broke. A member that waits for others has no socket."""


class TimedOutError(LxdError):
    """No complete answer within the time limit. Whether the call had an effect is unknown."""


class BadAnswerError(LxdError):
    """What answered is not LXD, or its answer was cut short."""


class MissingExtensionError(LxdError):
    """This release of LXD does not know the field. It would have ignored it without a word."""


class UnfinishedError(LxdError):
    """An operation did not end by its deadline. It still runs.

    Attributes:
        operation: its id, to wait for again or to cancel.
    """

    def __init__(self, message: str, *, operation: str):
        super().__init__(message)
        self.operation = operation


class LostOperationError(LxdError):
    """LXD no longer knows the operation: look at what it was to change."""


class EndlessOperationError(LxdError):
    """A token operation ends when its token is used or expires, so it is never waited on."""


class CancelledError(LxdError):
    """Somebody cancelled the operation."""


class NotFoundError(LxdError):
    """There is no such thing."""


class BadRequestError(LxdError):
    """LXD holds the request for wrong: a bad name, value or combination."""


class UnknownKeyError(BadRequestError):
    """A configuration key that this release of LXD does not know."""


class ForbiddenError(LxdError):
    """This certificate may not do that."""


class LowLevelForbiddenError(ForbiddenError):
    """The project is restricted and does not allow this key or device."""


class AlreadyExistsError(LxdError):
    """The name is taken."""


class StaleError(LxdError):
    """Somebody else changed it between the read and the write."""


class NotImplementedByServerError(LxdError):
    """This release of LXD has no such endpoint."""


class InUseError(LxdError):
    """Something still depends on it."""


class NotClusteredError(LxdError):
    """This daemon is not a cluster member."""


class AlreadyClusteredError(LxdError):
    """This daemon is a cluster member already."""


class NotEmptyError(LxdError):
    """Joining would make LXD forget what this daemon holds.

    Attributes:
        holds: what would be forgotten, a phrase each.
    """

    def __init__(self, holds: tuple[str, ...]):
        super().__init__(f"Joining would forget {', '.join(holds)}")
        self.holds = holds


class TokenError(LxdError):
    """The token does not admit anybody."""


class TokenUsedError(TokenError):
    """The token was used already, was revoked, or is of another cluster."""


class TokenExpiredError(TokenError):
    """The token was not used in time."""


class AlreadyTrustedError(LxdError):
    """The client's certificate is known already."""


class NoQuorumError(LxdError):
    """Too few database members are alive to read or write anything."""


class MemberUnreachableError(LxdError):
    """The member that would have to act does not answer."""


class EvacuatedError(LxdError):
    """The member is evacuated and takes nothing new."""


class AlreadyEvacuatedError(EvacuatedError):
    """The member was evacuated before."""


class AlreadyRestoredError(LxdError):
    """The member is in service already."""


class MemberHasInstancesError(InUseError):
    """A member with instances cannot be removed."""


class NoMemberError(LxdError):
    """No member may take the instance."""


class NotPendingError(LxdError):
    """A pool or network must be announced on every member before it is made."""


class AddressInUseError(LxdError):
    """Something else listens there. LXD stored the wrong address nevertheless: set it back."""


class MissingModuleError(LxdError):
    """A kernel module that the instance's profile names is not on this machine."""


# First that fits. LXD puts most of these under status 400 or 500, and the same words into the
# error of an operation, so that the words are all there is to tell them apart by.
_BY_WORDS: tuple[tuple[str, type[LxdError]], ...] = (
    ("no matching cluster join operation found", TokenUsedError),
    ("token has expired", TokenExpiredError),
    ("token required to join", TokenError),
    ("client is already trusted", AlreadyTrustedError),
    ("certificate already in trust store", AlreadyTrustedError),
    ("server is not clustered", NotClusteredError),
    ("isn't part of a cluster", NotClusteredError),
    ("server is already clustered", AlreadyClusteredError),
    ("no available dqlite leader", NoQuorumError),
    ("failed to begin transaction: context deadline exceeded", NoQuorumError),
    ("is already evacuated", AlreadyEvacuatedError),
    ("is already restored", AlreadyRestoredError),
    ("cluster member is evacuated", EvacuatedError),
    ("missing event connection with target cluster member", MemberUnreachableError),
    ("unable to connect to:", MemberUnreachableError),
    ("no suitable cluster member", NoMemberError),
    ("still has the following", MemberHasInstancesError),
    ("not pending on any", NotPendingError),
    ("not defined on member", NotPendingError),
    ("not defined on nodes", NotPendingError),
    ("address already in use", AddressInUseError),
    ("failed to load kernel module", MissingModuleError),
    ("use of low-level config", LowLevelForbiddenError),
    ("is forbidden", LowLevelForbiddenError),
    ("unknown configuration key", UnknownKeyError),
    ("unknown key", UnknownKeyError),
    ("etag doesn't match", StaleError),
    ("currently in use", InUseError),
    ("is in use by", InUseError),
    ("already exists", AlreadyExistsError),
    ("already defined on member", AlreadyExistsError),
    ("not authorized", ForbiddenError),
    ("operation has been cancelled", CancelledError),
)

_BY_STATUS: dict[int, type[LxdError]] = {
    400: BadRequestError,
    401: CancelledError,  # Of an operation; the HTTP status of a refused client is 403.
    403: ForbiddenError,
    404: NotFoundError,
    409: AlreadyExistsError,
    412: StaleError,
    501: NotImplementedByServerError,
}


def of(status: int, message: str) -> LxdError:
    """Return the exception for an answer of LXD.

    Args:
        status: its HTTP status, or that of a failed operation.
        message: its words.
    """
    words = message.lower()
    for phrase, kind in _BY_WORDS:
        if phrase in words:
            return _made(kind, message, status)
    return _made(_BY_STATUS.get(status, LxdError), message or f"LXD answered {status}", status)


def of_operation(status: int, message: str) -> LxdError:
    """Return the exception for a failed operation, whose status says little: mostly 400."""
    found = of(status, message)
    if type(found) is BadRequestError:
        return LxdError(message or "The operation failed", status=status)
    return found


def _made(kind: type[LxdError], message: str, status: int) -> LxdError:
    return kind(message, status=status)
