"""One call of LXD's API: path and query in, metadata or a typed error out."""

from __future__ import annotations

import dataclasses
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any, BinaryIO

from edgecloud.lxd import errors, fields, transport

TIMEOUT_S = 10.0

_LONGEST = 200


@dataclasses.dataclass(frozen=True)
class Answer:
    """What LXD answered to one call."""

    metadata: Any
    """The result itself, or the operation's document."""
    etag: str = ""
    """Version of the document, for a later write that must not undo somebody else's."""
    operation: str = ""
    """Id of the operation that goes on in the background; empty when all is done."""


@dataclasses.dataclass(frozen=True)
class File:
    """A body that is sent as it is."""

    content: bytes | BinaryIO
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    length: int | None = None
    """Needed for a stream."""


Body = Mapping[str, Any] | File | None
Query = Mapping[str, str | int | None]
"""Parameters of a call; those that are None or empty are left out."""


def url(*parts: str) -> str:
    """Return the path of an object: ``url("instances", name)``."""
    return "/".join(("/1.0", *map(segment, parts)))


def segment(name: str) -> str:
    """Return a name as one segment of a path, for a collection that has a path already."""
    return urllib.parse.quote(name, safe="")


class Client:
    """A daemon, seen from one project.

    Args:
        endpoint: where it listens.
        project: the project to work in; LXD's default one if empty.
        timeout_s: for each call. An operation has a limit of its own.
    """

    def __init__(
        self, endpoint: transport.Endpoint, *, project: str = "", timeout_s: float = TIMEOUT_S
    ):
        self.endpoint = endpoint
        self.project = project
        self.timeout_s = timeout_s
        self._extensions: frozenset[str] | None = None

    def in_project(self, project: str) -> Client:
        """Return a client of the same daemon that works in another project."""
        other = Client(self.endpoint, project=project, timeout_s=self.timeout_s)
        other._extensions = self._extensions
        return other

    def get(self, path: str, query: Query | None = None, *, timeout_s: float | None = None) -> Any:
        """Return the metadata of an object or a list."""
        return self.call("GET", path, timeout_s=timeout_s, query=query).metadata

    def find(self, path: str, query: Query | None = None) -> fields.Json | None:
        """Return an object; None if there is no such thing."""
        try:
            return fields.as_object(self.get(path, query))
        except errors.NotFoundError:
            return None

    def every(
        self, path: str, query: Query | None = None, *, timeout_s: float | None = None
    ) -> list[fields.Json]:
        """Return the objects of a list, whole."""
        found = self.get(path, {"recursion": 1, **(query or {})}, timeout_s=timeout_s)
        return fields.as_objects(found)

    def call(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        etag: str = "",
        timeout_s: float | None = None,
        query: Query | None = None,
    ) -> Answer:
        """Make a call and return at once, even if it started an operation.

        Args:
            method: the HTTP method.
            path: as :func:`url` returns it.
            body: an object, sent as JSON, or a file.
            etag: refuse if the object has changed since it had this.
            timeout_s: instead of the client's own.
            query: parameters.
        """
        request = self._request(method, path, body, etag, query or {})
        response = transport.exchange(
            self.endpoint, request, timeout_s=timeout_s or self.timeout_s
        )
        return _understood(response)

    def raw(
        self,
        path: str,
        *,
        timeout_s: float | None = None,
        sink: BinaryIO | None = None,
        query: Query | None = None,
    ) -> transport.Response:
        """Get what is not wrapped in JSON: a file, a log, metrics.

        Args:
            path: as :func:`url` returns it.
            timeout_s: instead of the client's own.
            sink: takes the content instead of the result.
            query: parameters.
        """
        request = self._request("GET", path, None, "", query or {})
        response = transport.exchange(
            self.endpoint, request, timeout_s=timeout_s or self.timeout_s, sink=sink
        )
        if response.status >= 400:
            _understood(response)
        return response

    def extensions(self) -> frozenset[str]:
        """Return the names of what the API has beyond 1.0. Asked once."""
        if self._extensions is None:
            known = fields.as_object(self.get("/1.0"))
            self._extensions = frozenset(fields.texts(known, "api_extensions"))
        return self._extensions

    def has(self, extension: str) -> bool:
        """Return whether the daemon knows an extension of the API."""
        return extension in self.extensions()

    def require(self, extension: str) -> None:
        """Raise unless the daemon knows an extension, because it ignores what it does not know."""
        if not self.has(extension):
            raise errors.MissingExtensionError(f"This LXD does not have the extension {extension}")

    def _request(
        self,
        method: str,
        path: str,
        body: Body,
        etag: str,
        query: Query,
    ) -> transport.Request:
        headers = {"If-Match": etag} if etag else {}
        asked = {"project": self.project, **query}
        given = {name: value for name, value in asked.items() if value not in (None, "")}
        target = f"{path}?{urllib.parse.urlencode(given)}" if given else path
        if isinstance(body, File):
            if body.length is not None:
                headers["Content-Length"] = str(body.length)
            return transport.Request(method, target, body.content, {**headers, **body.headers})
        if body is None:
            return transport.Request(method, target, None, headers)
        headers["Content-Type"] = "application/json"
        return transport.Request(method, target, json.dumps(body).encode(), headers)


def _understood(response: transport.Response) -> Answer:
    """Return what an answer carries, or raise the error that it is."""
    document = _document(response)
    # LXD's own metrics listener and its proxies put the error into the status alone.
    if response.status >= 400 or document.get("type") == "error":
        status = fields.number(document, "error_code") or response.status
        raise errors.of(status, fields.text(document, "error"))
    operation = fields.text(document, "operation").rpartition("/")[2].partition("?")[0]
    return Answer(
        metadata=document.get("metadata"),
        etag=response.headers.get("etag", ""),
        operation=operation if document.get("type") == "async" else "",
    )


def _document(response: transport.Response) -> fields.Json:
    try:
        document = json.loads(response.body)
    except ValueError:
        document = None
    if isinstance(document, dict):
        return fields.as_object(document)
    shown = response.body[:_LONGEST].decode(errors="replace").strip()
    if response.status >= 400:
        raise errors.of(response.status, shown)
    raise errors.BadAnswerError(f"This is not LXD's API: {shown}", status=response.status)
