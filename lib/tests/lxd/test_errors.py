import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.lxd import errors

SAID = [
    (404, "Instance not found", errors.NotFoundError),
    (400, "Invalid instance name: Name can only contain alphanumeric", errors.BadRequestError),
    (500, "Unknown configuration key: nix.da", errors.UnknownKeyError),
    (400, "cannot set 'core.nix' to '1': unknown key", errors.UnknownKeyError),
    (412, "ETag doesn't match: a vs b", errors.StaleError),
    (412, "", errors.StaleError),
    (500, "Server is not clustered", errors.NotClusteredError),
    (400, "This server is already clustered", errors.AlreadyClusteredError),
    (400, "No matching cluster join operation found", errors.TokenUsedError),
    (403, "Cluster join token has expired", errors.TokenExpiredError),
    (501, "not implemented", errors.NotImplementedByServerError),
    (500, "listen tcp 127.0.0.1:1: bind: address already in use", errors.AddressInUseError),
    (403, "not authorized", errors.ForbiddenError),
    (400, 'Use of low-level config "raw.lxc" on container "x" … is forbidden',
     errors.LowLevelForbiddenError),
    (500, "no available dqlite leader server found", errors.NoQuorumError),
    (500, "Node still has the following containers: a", errors.MemberHasInstancesError),
    (400, "Pool not pending on any node (use --target <node> first)", errors.NotPendingError),
    (400, 'The storage pool already defined on member "m1"', errors.AlreadyExistsError),
    (409, "", errors.AlreadyExistsError),
    (400, "Client is already trusted", errors.AlreadyTrustedError),
    (418, "I'm a teapot", errors.LxdError),
]  # fmt: skip

FAILED = [
    ('This "instances" entry already exists', errors.AlreadyExistsError),
    ("Cluster member is already evacuated", errors.AlreadyEvacuatedError),
    ("Cluster member is already restored", errors.AlreadyRestoredError),
    ("Cluster member is evacuated", errors.EvacuatedError),
    ("Missing event connection with target cluster member", errors.MemberUnreachableError),
    ("No suitable cluster member could be found", errors.NoMemberError),
    ("Failed to load kernel module 'ip_vs'", errors.MissingModuleError),
    ("Something else", errors.LxdError),
]


@pytest.mark.parametrize(("status", "message", "kind"), SAID)
def test_given_answer_when_understood_then_error_has_its_type(status, message, kind):
    error = errors.of(status, message)

    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize(("message", "kind"), FAILED)
def test_given_failed_operation_when_understood_then_error_has_its_type(message, kind):
    error = errors.of_operation(400, message)

    assert type(error) is kind
    assert str(error) == message


def test_given_cancelled_operation_when_understood_then_error_says_so():
    assert type(errors.of_operation(401, "Cancelled")) is errors.CancelledError


@given(st.integers(0, 599), st.text(max_size=80))
def test_given_any_words_when_understood_then_an_error_of_the_family_keeps_them(status, message):
    error = errors.of(status, message)

    assert isinstance(error, errors.LxdError)
    assert message in str(error)
    assert str(error)


def test_given_holdings_when_refused_then_message_names_each():
    error = errors.NotEmptyError(("the pool a", "the image b"))

    assert str(error) == "Joining would forget the pool a, the image b"
