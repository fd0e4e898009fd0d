"""The REST API: from a request to the handler of its collection, and back as HTTP."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from edgelab.pi.lxd import daemon, state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import process as processes

EXTENSIONS = (
    "backup_override_name",
    "certificate_token",
    "clustering_evacuation",
    "clustering_evacuation_mode",
    "explicit_trust_token",
    "instance_all_projects",
    "metrics",
    "projects",
    "warnings",
)
NO_QUORUM_S = 10.5
"""How long a daemon tries to find a leader of its database."""


class ApiError(Exception):
    """What LXD refuses, with its HTTP status and its words."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class OperationFailed(Exception):  # noqa: N818 - it is what LXD calls it
    """What goes wrong only after LXD has accepted the call."""


@dataclasses.dataclass
class Request:
    """One call."""

    machine: machines.Machine
    method: str
    parts: list[str]
    query: dict[str, str]
    text: str
    headers: Mapping[str, str]
    """Names in lower case."""

    @property
    def etag(self) -> str:
        """The version of what the caller read before."""
        return self.headers.get("if-match", "")

    @property
    def daemon(self) -> state.Daemon:
        """The daemon that is asked."""
        return state.of(self.machine)[0]

    @property
    def site(self) -> state.Site:
        """Its database."""
        return state.of(self.machine)[1]

    @property
    def body(self) -> state.Json:
        """The body, which has to be JSON."""
        return typing.cast("state.Json", json.loads(self.text)) if self.text else {}

    @property
    def project(self) -> str:
        """The project that is meant."""
        return self.query.get("project", "default")

    @property
    def target(self) -> str:
        """The member that is meant: the one that is asked if none is named."""
        return self.query.get("target", self.daemon.member)

    @property
    def whole(self) -> bool:
        """Whether a list of objects is wanted, not of their paths."""
        return self.query.get("recursion", "0") != "0"


@dataclasses.dataclass
class Reply:
    """What is answered to a call that LXD accepts."""

    metadata: Any = None
    operation: state.Json | None = None
    text: str | None = None
    """Instead of JSON."""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])


Handler = Callable[[Request], Reply]


def run(process: processes.Process) -> int:
    """Answer one call: method and target are the arguments, the body is the input."""
    from edgelab.pi.lxd import routes

    url = urllib.parse.urlsplit(process.argv[2])
    request = Request(
        machine=process.machine,
        method=process.argv[1],
        parts=[urllib.parse.unquote(part) for part in url.path.split("/")[2:]],
        query=dict(urllib.parse.parse_qsl(url.query)),
        text=process.stdin or "",
        headers=process.env,
    )
    local = routes.is_local(request)
    if not local and not state.is_quorate(process.world, request.site, process.machine):
        process.spend(NO_QUORUM_S)
        process.put(_refusal(500, "no available dqlite leader server found"))
        return 0
    try:
        reply = routes.find(request)(request)
        if request.method != "GET":
            daemon.plug(request.machine)
    except ApiError as error:
        process.put(_refusal(error.status, str(error)))
    except OperationFailed as error:
        process.put(_started(operation(request, error=str(error))))
    else:
        process.put(_answer(reply))
    return 0


def only_looks(method: str, target: str) -> bool:
    """Return whether a call changes nothing in the world, or nothing that the rest of it sees."""
    return method == "GET" or target.endswith("/exec") or "/logs/exec_" in target


def operation(
    request: Request,
    *,
    kind: str = "task",
    error: str = "",
    metadata: Any = None,
    goes_on: bool = False,
) -> state.Json:
    """Return the document of an operation; one that is no token has ended, unless it goes on."""
    status, code = ("Failure", 400) if error else ("Success", 200)
    if kind == "token" or goes_on:
        status, code = "Running", 103
    return {
        "id": request.machine.world.random_hex("operation", 32),
        "class": kind,
        "description": request.method,
        "status": status,
        "status_code": code,
        "err": error,
        "metadata": metadata,
        "resources": None,
    }


def done(request: Request, metadata: Any = None) -> Reply:
    """Return the answer to a call that took effect in the background."""
    return Reply(operation=operation(request, metadata=metadata))


def etag(document: Any) -> str:
    """Return the version of a document."""
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check_etag(request: Request, document: Any) -> None:
    """Refuse a write to what has changed since it was read."""
    if request.etag and request.etag != etag(document):
        raise ApiError(412, "ETag doesn't match: somebody was faster")


def _answer(reply: Reply) -> str:
    if reply.text is not None:
        headers = {"Content-Type": "text/plain", **reply.headers}
        return _http(200, reply.text.encode().decode("latin-1"), headers)
    if reply.operation is not None:
        return _started(reply.operation)
    body = {"type": "sync", "status": "Success", "status_code": 200, "metadata": reply.metadata}
    return _http(200, json.dumps(body), {"ETag": etag(reply.metadata)})


def _started(found: state.Json) -> str:
    body = {
        "type": "async",
        "status": "Operation created",
        "status_code": 100,
        "operation": f"/1.0/operations/{found['id']}",
        "metadata": found,
    }
    return _http(202, json.dumps(body), {})


def _refusal(status: int, message: str) -> str:
    body = {"type": "error", "error": message, "error_code": status, "metadata": None}
    return _http(status, json.dumps(body), {})


def _http(status: int, body: str, headers: dict[str, str]) -> str:
    # A character is a byte here: json.dumps escapes what is beyond ASCII.
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
