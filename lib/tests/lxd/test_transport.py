import io
import socket
import ssl
import subprocess
import threading
import time

import pytest

from edgecloud.lxd import certificates, client, deadline, errors, transport


def _exchange(fake, path="/x", timeout_s=30.0, **options):
    request = transport.Request("GET", path)
    return transport.exchange(
        transport.UnixSocket(fake.socket), request, timeout_s=timeout_s, **options
    )


def test_given_nobody_listens_when_opened_then_unreachable(tmp_path):
    endpoint = transport.UnixSocket(tmp_path / "none")

    with pytest.raises(errors.UnreachableError, match="Nobody listens"):
        endpoint.open(1)


def test_given_socket_too_deep_for_the_kernel_when_opened_then_reached(tmp_path, monkeypatch):
    folder = tmp_path.joinpath(*["a-rather-long-name-of-a-folder"] * 5)
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("unix.socket")
        server.listen()

        transport.UnixSocket(folder / "unix.socket").open(1).close()


def test_given_good_answer_when_asked_then_status_headers_and_body_come(fake):
    fake.sends("/x", b"body", headers={"X-Kind": "file"})

    response = _exchange(fake)

    assert (response.status, response.body) == (200, b"body")
    assert response.headers["x-kind"] == "file"


def test_given_sink_when_answer_is_good_then_it_takes_the_body(fake):
    fake.sends("/x", b"z" * 200_000)
    sink = io.BytesIO()

    response = _exchange(fake, sink=sink)

    assert (response.body, len(sink.getvalue())) == (b"", 200_000)


def test_given_sink_when_answer_is_an_error_then_result_has_it(fake):
    fake.sends("/x", b"no", status=404)
    sink = io.BytesIO()

    assert _exchange(fake, sink=sink).body == b"no"
    assert sink.getvalue() == b""


def test_given_chunks_when_asked_then_body_is_whole(fake):
    def chunks(connection, _):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    fake.behaves("GET", "/x", chunks)

    assert _exchange(fake).body == b"abcde"


def test_given_last_answer_of_a_connection_when_asked_then_body_is_whole(fake):
    def last(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")

    fake.behaves("GET", "/x", last)

    assert _exchange(fake).body == b"abc"


def test_given_silence_when_asked_then_timed_out_in_time(fake):
    over = threading.Event()
    fake.behaves("GET", "/x", lambda *_: over.wait(60))

    with pytest.raises(errors.TimedOutError, match=r"GET /x took longer than 0\.2 s"):
        _exchange(fake, "/x?secret=1", timeout_s=0.2)

    over.set()


def test_given_dawdling_body_when_asked_then_limit_holds_for_all_of_it(fake):
    def dawdle(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"x")
            time.sleep(0.05)

    fake.behaves("GET", "/x", dawdle)

    with pytest.raises(errors.TimedOutError):
        _exchange(fake, timeout_s=0.3)


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", errors.UnreachableError),
        (b"garbage\r\n\r\n", errors.BadAnswerError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", errors.BadAnswerError),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
            errors.BadAnswerError,
        ),
    ],
)
def test_given_answer_cut_short_when_asked_then_never_taken_for_whole(fake, sent, kind):
    fake.behaves("GET", "/x", lambda connection, _: connection.sendall(sent))

    with pytest.raises(kind):
        _exchange(fake)


def test_given_upload_refused_early_when_sent_then_answer_is_heard(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def refuse():
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
                connection.shutdown(socket.SHUT_RD)
                time.sleep(0.2)

        thread = threading.Thread(target=refuse)
        thread.start()
        request = transport.Request("POST", "/x", b"z" * 5_000_000)

        response = transport.exchange(transport.UnixSocket(path), request, timeout_s=30)

        thread.join()
        assert (response.status, response.body) == (403, b"no")


def test_given_deadline_passed_when_asked_then_nothing_is_left():
    limit = deadline.Deadline(0)

    assert limit.passed()
    assert limit.left_s() == 0


@pytest.fixture
def tls_server(tmp_path):
    """Return the port of a TLS server that says 200 and hangs up, and its fingerprint."""
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x"
    subprocess.run(
        (*command.split(), "-keyout", key, "-out", certificate),
        check=True,
        capture_output=True,
        timeout=30,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    if secure.recv(1000):
                        secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            except OSError:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], certificate
        with socket.socket() as closing:
            closing.connect_ex(server.getsockname())
        thread.join()


def test_given_expected_certificate_when_asked_over_tls_then_answered(tls_server):
    port, certificate = tls_server
    fingerprint = certificates.fingerprint(certificate.read_text())
    endpoint = transport.TlsAddress("127.0.0.1", port, fingerprint)

    response = transport.exchange(endpoint, transport.Request("GET", "/"), timeout_s=5)

    assert response.status == 200


def test_given_other_certificate_when_asked_over_tls_then_refused(tls_server):
    port, _ = tls_server
    endpoint = transport.TlsAddress("127.0.0.1", port, "ab" * 32)

    with pytest.raises(errors.UnreachableError, match="shows the certificate"):
        client.Client(endpoint).get("/1.0")


def test_given_no_listener_when_asked_over_tls_then_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(errors.UnreachableError):
        transport.TlsAddress("127.0.0.1", port, "").open(1)
