"""A stand-in for LXD's HTTP: answers by script on a unix socket, remembers what was asked."""

import dataclasses
import http.server
import json
import pathlib
import socketserver
import threading
import urllib.parse

import pytest

from edgecloud.lxd import client, transport


@dataclasses.dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body) if self.body else None


@dataclasses.dataclass
class Reply:
    """One answer; or, with ``manner``, a function that has the connection to itself."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    manner: object = None


class FakeDaemon:
    """Answers each method and path by its script; the last answer of a script stays."""

    def __init__(self):
        self.asked = []
        self._scripts = {}

    def serves(self, path, metadata=None, *, method="GET", etag=""):
        body = {"type": "sync", "status_code": 200, "metadata": metadata}
        headers = {"ETag": etag} if etag else {}
        self._add(method, path, Reply(200, json.dumps(body).encode(), headers))

    def refuses(self, method, path, status, message):
        body = {"type": "error", "error_code": status, "error": message}
        self._add(method, path, Reply(status, json.dumps(body).encode()))

    def starts(self, method, path, **operation):
        document = self.operation(**operation)
        body = {"type": "async", "operation": f"/1.0/operations/{document['id']}"}
        self._add(method, path, Reply(202, json.dumps({**body, "metadata": document}).encode()))

    def ends(self, metadata=None, **operation):
        """Have the operation end, when waited for."""
        done = {"status": "Success", "status_code": 200, "metadata": metadata, **operation}
        self.serves("/1.0/operations/op-1/wait", self.operation(**done))

    def does(self, method, path, *, metadata=None, err=""):
        """Have a call start an operation that succeeds, or fails with an error."""
        self.starts(method, path)
        self.ends(metadata, **({"status_code": 400, "err": err} if err else {}))

    def sends(self, path, body, *, status=200, headers=None, method="GET"):
        self._add(method, path, Reply(status, body, headers or {}))

    def behaves(self, method, path, manner):
        self._add(method, path, Reply(manner=manner))

    def written(self):
        """Return what was asked that changes something."""
        return [(one.method, one.path) for one in self.asked if one.method != "GET"]

    def last(self, method):
        return [one for one in self.asked if one.method == method][-1]

    def reply_to(self, asked):
        self.asked.append(asked)
        script = self._scripts.get((asked.method, asked.path))
        if not script:
            body = {"type": "error", "error_code": 404, "error": "not found"}
            return Reply(404, json.dumps(body).encode())
        return script.pop(0) if len(script) > 1 else script[0]

    @staticmethod
    def operation(**fields):
        fixed = {"id": "op-1", "class": "task", "description": "Doing it", "status": "Running"}
        return {**fixed, "status_code": 103, "err": "", "metadata": None, **fields}

    def _add(self, method, path, reply):
        self._scripts.setdefault((method, path), []).append(reply)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "socket"

    def log_message(self, *_):
        pass

    def _answer(self):
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(
            self.command,
            urllib.parse.unquote(path),
            dict(urllib.parse.parse_qsl(query)),
            headers,
            self.rfile.read(length),
        )
        reply = self.server.fake.reply_to(asked)
        if reply.manner:
            self.close_connection = True
            reply.manner(self.connection, asked)
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # A client that hangs up is none of the server's errors.


@pytest.fixture
def fake(tmp_path):
    """Return a fake daemon that listens on ``fake.socket``."""
    made = FakeDaemon()
    made.socket = pathlib.Path(tmp_path / "unix.socket")
    server = _Server(str(made.socket), _Handler)
    server.fake = made
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def lxd(fake):
    """Return a client of the fake daemon."""
    return client.Client(transport.UnixSocket(fake.socket), timeout_s=5)
