import threading

import pytest

from edgecloud.lxd import errors, operations

WAIT = "/1.0/operations/op-1/wait"


def test_given_done_at_once_when_run_then_nothing_is_waited_for(fake, lxd):
    fake.serves("/1.0/x", {"a": 1}, method="POST")

    assert operations.run(lxd, "POST", "/1.0/x") == {"a": 1}
    assert len(fake.asked) == 1


def test_given_background_work_when_run_then_its_result_comes(fake, lxd):
    fake.does("POST", "/1.0/x", metadata={"return": 0})

    assert operations.run(lxd, "POST", "/1.0/x", timeout_s=5) == {"return": 0}


def test_given_work_that_goes_on_when_waited_for_then_asked_again(fake, lxd):
    fake.starts("POST", "/1.0/x")
    fake.serves(WAIT, fake.operation())
    fake.ends()

    operations.run(lxd, "POST", "/1.0/x", timeout_s=5)

    assert [one.path for one in fake.asked].count(WAIT) == 2


def test_given_failure_when_run_then_raised_in_its_own_words(fake, lxd):
    fake.does("POST", "/1.0/x", err="No space left")

    with pytest.raises(errors.LxdError, match="No space left"):
        operations.run(lxd, "POST", "/1.0/x", timeout_s=5)


def test_given_cancelled_when_waited_for_then_raised(fake, lxd):
    fake.starts("POST", "/1.0/x")
    fake.ends(status="Cancelled", status_code=401)

    with pytest.raises(errors.CancelledError):
        operations.run(lxd, "POST", "/1.0/x", timeout_s=5)


def test_given_deadline_passed_when_waited_for_then_operation_is_named(fake, lxd):
    over = threading.Event()
    fake.starts("POST", "/1.0/x")
    fake.behaves("GET", WAIT, lambda *_: over.wait(60))

    with pytest.raises(errors.UnfinishedError, match="Doing it still runs") as caught:
        operations.run(lxd, "POST", "/1.0/x", timeout_s=0.3)

    assert caught.value.operation == "op-1"
    over.set()


def test_given_daemon_restarted_when_waited_for_then_operation_is_lost(fake, lxd):
    fake.starts("POST", "/1.0/x")

    with pytest.raises(errors.LostOperationError):
        operations.run(lxd, "POST", "/1.0/x", timeout_s=5)


def test_given_token_when_made_then_never_waited_for(fake, lxd):
    fake.starts("POST", "/1.0/x", **{"class": "token"})

    token = operations.token(lxd, "/1.0/x", {})

    assert token.is_token
    with pytest.raises(errors.EndlessOperationError):
        operations.wait(lxd, token, timeout_s=5)
    assert len(fake.asked) == 1


def test_given_task_instead_of_token_when_made_then_refused(fake, lxd):
    fake.starts("POST", "/1.0/x")

    with pytest.raises(errors.BadAnswerError):
        operations.token(lxd, "/1.0/x", {})


def test_given_operations_by_status_when_listed_then_all_come_by_id(fake, lxd):
    running, done = fake.operation(id="b"), fake.operation(id="a", status_code=200)
    fake.serves("/1.0/operations", {"running": [running], "success": [done], "failure": None})

    assert [(one.id, one.ended) for one in operations.every(lxd)] == [("a", True), ("b", False)]


def test_given_secret_in_operation_when_shown_then_it_is_not():
    operation = operations.parse({"id": "x", "metadata": {"secret": "s3cret"}})

    assert "s3cret" not in repr(operation)


def test_given_operation_when_cancelled_then_deleted(fake, lxd):
    fake.serves("/1.0/operations/op-1", method="DELETE")

    operations.cancel(lxd, "op-1")

    assert fake.written() == [("DELETE", "/1.0/operations/op-1")]
    assert operations.find(lxd, "op-1") is None
