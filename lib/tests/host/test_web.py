"""Sending a document to a real server on this computer."""

import http.server
import threading
import urllib.error

import pytest

from edgecloud import host as hosts
from edgecloud.host import web


@pytest.fixture
def server():
    """A server that notes what it is sent, and refuses what is sent to /no."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def take(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type")
            made.taken.append((self.command, self.path, kind, body))
            self.send_response(400 if self.path == "/no" else 200)
            self.end_headers()
            self.wfile.write(b"taken")

        do_POST = do_DELETE = take  # noqa: N815

        def log_message(self, *_):
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.taken = []
    made.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_given_a_document_when_sent_then_it_arrives_as_json_and_the_answer_comes_back(
    server, tmp_path
):
    host = hosts.LocalHost(tmp_path)

    said = web.send(host, f"{server.url}/one", method="POST", text='{"a": 1}', timeout_s=5)
    web.send(host, f"{server.url}/one", method="DELETE", timeout_s=5)

    assert said == b"taken"
    assert server.taken == [
        ("POST", "/one", "application/json", b'{"a": 1}'),
        ("DELETE", "/one", None, b""),
    ]


def test_given_a_refusal_when_sent_then_it_is_an_error(server, tmp_path):
    with pytest.raises(urllib.error.HTTPError):
        web.send(hosts.LocalHost(tmp_path), f"{server.url}/no", method="POST", timeout_s=5)


def test_given_what_is_no_address_when_sent_then_nothing_is_opened(tmp_path):
    with pytest.raises(ValueError, match="not an address"):
        web.send(hosts.LocalHost(tmp_path), "file:///etc/passwd", method="POST", timeout_s=5)
