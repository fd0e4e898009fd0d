import json

import pytest

from edgecloud.lxd import errors, events, websocket

STARTED = {
    "type": "lifecycle",
    "timestamp": "2026-01-31T12:00:00Z",
    "location": "m1",
    "metadata": {"action": "instance-started", "source": "/1.0/instances/a?project=edge"},
}


def _streams(*messages):
    def serve(connection, asked):
        key = websocket.accept(asked.headers["sec-websocket-key"])
        connection.sendall(
            f"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: {key}\r\n\r\n".encode()
        )
        for message in messages:
            payload = json.dumps(message).encode()
            head = bytes([0x81, 126]) + len(payload).to_bytes(2, "big")
            connection.sendall(head + payload)
        connection.recv(100)

    return serve


def test_given_stream_when_listened_to_then_events_come_typed(fake, lxd):
    fake.behaves("GET", "/1.0/events", _streams(STARTED, {"type": "operation"}))

    with events.listen(lxd.in_project("edge"), [events.LIFECYCLE]) as stream:
        first, second = list(stream.until(0.3))

    assert (first.kind, first.action, first.source, first.member) == (
        "lifecycle",
        "instance-started",
        "/1.0/instances/a",
        "m1",
    )
    assert (second.kind, second.action) == ("operation", "")
    assert fake.asked[0].query == {"type": "lifecycle", "project": "edge"}


def test_given_refusal_when_listened_to_then_raised(lxd):
    with pytest.raises(errors.NotFoundError), events.listen(lxd):
        pass


def test_given_daemon_that_hangs_up_when_listened_to_then_bad_answer(fake, lxd):
    fake.behaves("GET", "/1.0/events", lambda *_: None)

    with pytest.raises(errors.LxdError), events.listen(lxd):
        pass


def test_given_no_json_when_parsed_then_bad_answer():
    with pytest.raises(errors.BadAnswerError):
        events.parse(b"\xff")
