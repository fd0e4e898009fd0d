import socket
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.lxd import errors, websocket

MASKS = st.binary(min_size=4, max_size=4)
FRAMES = st.builds(
    websocket.Frame, st.sampled_from((0, 1, 2, 8, 9, 10)), st.binary(max_size=300), st.booleans()
)


@pytest.fixture
def ends():
    """Return a listener and the server's end of its connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield websocket.Listener(ours), theirs


def _sent(opcode, payload, *, final=True):
    return bytes([opcode | (0x80 if final else 0), len(payload)]) + payload


@given(st.lists(FRAMES, max_size=5), MASKS, st.integers(1, 50))
def test_given_any_frames_in_any_pieces_when_decoded_then_the_same_come_out(frames, mask, size):
    data = b"".join(websocket.encode(frame, mask) for frame in frames)
    decoder = websocket.Decoder()

    pieces = (data[start : start + size] for start in range(0, len(data), size))

    assert [frame for piece in pieces for frame in decoder.feed(piece)] == frames


@pytest.mark.parametrize("length", [125, 126, 65_535, 65_536])
def test_given_length_at_an_edge_when_encoded_then_decoded_whole(length):
    frame = websocket.Frame(websocket.BINARY, b"x" * length)

    assert list(websocket.Decoder().feed(websocket.encode(frame, b"abcd"))) == [frame]


def test_given_absurd_length_when_decoded_then_refused():
    with pytest.raises(errors.BadAnswerError, match="too long"):
        list(websocket.Decoder().feed(bytes([0x81, 127]) + struct.pack("!Q", 1 << 40)))


def test_given_message_in_parts_with_ping_between_when_received_then_whole_and_answered(ends):
    listener, server = ends
    server.sendall(_sent(1, b"he", final=False) + _sent(9, b"?") + _sent(0, b"llo"))

    assert listener.receive(1) == b"hello"

    assert list(websocket.Decoder().feed(server.recv(100))) == [websocket.Frame(10, b"?")]


def test_given_silence_when_received_then_none_in_time(ends):
    listener, _ = ends

    assert listener.receive(0.05) is None
    assert listener.receive(0) is None


@pytest.mark.parametrize("said", [_sent(8, b"\x03\xe8"), b""])
def test_given_server_leaves_when_received_then_unreachable(ends, said):
    listener, server = ends
    server.sendall(said)
    server.shutdown(socket.SHUT_WR)

    with pytest.raises(errors.UnreachableError):
        listener.receive(1)


def test_given_listener_closed_when_server_reads_then_goodbye_was_said(ends):
    listener, server = ends

    listener.close()
    listener.close()

    assert next(websocket.Decoder().feed(server.recv(100))).opcode == websocket.CLOSE


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", errors.ForbiddenError),
        (b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: no\r\n\r\n", errors.BadAnswerError),
        (b"", errors.BadAnswerError),
        (b"\r\n\r\n", errors.LxdError),
    ],
)
def test_given_no_websocket_when_asked_for_then_error_is_typed(answer, kind):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)

        with pytest.raises(kind):
            websocket.upgrade(ours, "/1.0/events")


def test_given_frames_right_behind_the_handshake_when_upgraded_then_none_is_lost():
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def serve():
            head = theirs.recv(2000).decode()
            key = head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
            answer = f"HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: {websocket.accept(key)}\r\n\r\n"
            theirs.sendall(answer.encode() + _sent(1, b"early"))

        thread = threading.Thread(target=serve)
        thread.start()

        listener = websocket.upgrade(ours, "/1.0/events")

        thread.join()
        assert listener.receive(1) == b"early"


def test_given_key_of_the_standard_when_accepted_then_answer_of_the_standard():
    accepted = websocket.accept("dGhlIHNhbXBsZSBub25jZQ==")

    assert accepted == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
