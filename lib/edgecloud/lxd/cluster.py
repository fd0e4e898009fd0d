"""The cluster: its members, the tokens that admit one, evacuation and removal."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import enum
import json
from collections.abc import Callable, Mapping
from typing import Any

from edgecloud.lxd import client as lxd
from edgecloud.lxd import documents, errors, fields, instances, operations

EVACUATE_S = 900.0
PROBE_S = 5.0

_STRANDED = "volatile.evacuate.origin"
_EVACUATE_KEY = "cluster.evacuate"


class Status(enum.Enum):
    """How the cluster sees a member. One that waits for an upgrade may be shown as online."""

    ONLINE = "Online"
    OFFLINE = "Offline"
    BLOCKED = "Blocked"
    EVACUATED = "Evacuated"
    UNKNOWN = ""


@dataclasses.dataclass(frozen=True)
class Member:
    """A member, as the one that was asked sees it."""

    name: str
    url: str
    status: Status
    message: str
    roles: tuple[str, ...]
    votes: bool
    """Whether it holds a copy of the database that counts for the quorum."""
    leads: bool
    architecture: str
    failure_domain: str
    config: Mapping[str, str]
    groups: tuple[str, ...]

    @property
    def address(self) -> str:
        """Return host and port."""
        return self.url.removeprefix("https://")


@dataclasses.dataclass(frozen=True)
class JoinToken:
    """Admits one machine under one name, once, and not for long."""

    server_name: str
    fingerprint: str
    addresses: tuple[str, ...]
    secret: str = dataclasses.field(repr=False)
    expires_at: str = ""
    """As LXD writes times: ``2026-01-31T12:00:00.5Z``."""
    operation: str = ""
    """To revoke it by; empty if it was decoded."""

    def encode(self) -> str:
        """Return the token as ``lxd init`` takes it. It is a secret."""
        content = {
            "server_name": self.server_name,
            "fingerprint": self.fingerprint,
            "addresses": list(self.addresses),
            "secret": self.secret,
            "expires_at": self.expires_at or "0001-01-01T00:00:00Z",
        }
        return base64.b64encode(json.dumps(content).encode()).decode()

    @classmethod
    def decode(cls, text: str) -> JoinToken:
        """Return the token from its text. Raises :class:`~edgecloud.lxd.errors.TokenError`."""
        try:
            content = fields.as_object(json.loads(base64.b64decode(text, validate=True)))
        except (binascii.Error, ValueError) as error:
            raise errors.TokenError("This is no join token") from error
        token = cls(
            server_name=fields.text(content, "server_name"),
            fingerprint=fields.text(content, "fingerprint"),
            addresses=fields.texts(content, "addresses"),
            secret=fields.text(content, "secret"),
            expires_at=fields.text(content, "expires_at"),
        )
        if not (token.server_name and token.secret and token.addresses):
            raise errors.TokenError("This join token is incomplete")
        return token


def own_name(client: lxd.Client) -> str:
    """Return the name that this daemon has in its cluster; empty if it is in none."""
    found = fields.as_object(client.get(lxd.url("cluster")))
    return fields.text(found, "server_name") if fields.flag(found, "enabled") else ""


def bootstrap(client: lxd.Client, name: str, *, timeout_s: float = 60.0) -> None:
    """Make this daemon the first member of a new cluster.

    ``core.https_address`` or ``cluster.https_address`` must name one address beforehand.

    Raises:
        errors.AlreadyClusteredError: it is a member already, of whatever cluster.
    """
    if own_name(client):
        raise errors.AlreadyClusteredError("This server is already clustered")
    body = {"server_name": name, "enabled": True}
    operations.run(client, "PUT", lxd.url("cluster"), body, timeout_s=timeout_s)


def members(client: lxd.Client, *, timeout_s: float = PROBE_S) -> tuple[Member, ...]:
    """Return the members by name. That this succeeds within its limit is the proof of a quorum.

    The proof is some seconds old: a leader notices only then that nobody follows it any more.

    Raises:
        errors.NotClusteredError: the daemon is in no cluster.
        errors.NoQuorumError: too few database members are alive …
        errors.TimedOutError: … which may also show like this.
    """
    found = client.every(lxd.url("cluster", "members"), timeout_s=timeout_s)
    return tuple(sorted(map(parse, found), key=lambda member: member.name))


def edit(client: lxd.Client, name: str, change: Callable[[fields.Json], None]) -> bool:
    """Change a member's document: failure domain, roles, config. Return whether it changed."""
    return documents.edit(client, lxd.url("cluster", "members", name), change)


def mint(client: lxd.Client, name: str) -> JoinToken:
    """Return a token for a new member of this name. Its operation is never waited on."""
    body = {"server_name": name}
    return _token(operations.token(client, lxd.url("cluster", "members"), body))


def tokens(client: lxd.Client) -> tuple[JoinToken, ...]:
    """Return the tokens that have neither been used nor revoked, by name."""
    found = (one for one in operations.every(client) if one.is_token and not one.ended)
    joins = (_token(one) for one in found if one.metadata.get("serverName"))
    return tuple(sorted(joins, key=lambda token: token.server_name))


def revoke(client: lxd.Client, name: str) -> bool:
    """Revoke all tokens for a name. Return whether there were any."""
    found = [token for token in tokens(client) if token.server_name == name]
    for token in found:
        operations.cancel(client, token.operation)
    return bool(found)


def remove(
    client: lxd.Client, name: str, *, force: bool = False, timeout_s: float = 120.0
) -> bool:
    """Take a member out. Return whether it was one.

    Args:
        client: any other member.
        name: whom to take out.
        force: it is gone for ever: forget it and its instances without asking it. Should it come
            back, it never serves again until it is wiped.
        timeout_s: for the whole of it.

    Raises:
        errors.MemberHasInstancesError: something still lives on it.
        errors.MemberUnreachableError: it does not answer, and ``force`` was not given. It may be
            out all the same: LXD asks it to forget the cluster only then. See :func:`members`.
    """
    path = lxd.url("cluster", "members", name)
    query = {"force": 1 if force else None}
    try:
        operations.run(client, "DELETE", path, timeout_s=timeout_s, query=query)
    except errors.NotFoundError:
        return False
    return True


def ensure_evacuated(
    client: lxd.Client, name: str, *, mode: str = "", timeout_s: float = EVACUATE_S
) -> bool:
    """Have a member with nothing running on it. Return whether it was evacuated now.

    Args:
        client: any member with a quorum.
        name: whom to evacuate.
        mode: ``stop`` or ``migrate`` for all instances; empty for what each instance's
            ``cluster.evacuate`` says, which :func:`ensure_evacuation_mode` sets.
        timeout_s: for the whole of it.

    Raises:
        errors.MissingExtensionError: this LXD would ignore ``mode`` and move everything.
    """
    if mode:
        client.require("clustering_evacuation_mode")
    body = {"action": "evacuate", **({"mode": mode} if mode else {})}
    return _change_state(client, name, body, timeout_s, errors.AlreadyEvacuatedError)


def ensure_restored(client: lxd.Client, name: str, *, timeout_s: float = EVACUATE_S) -> bool:
    """Have a member take part again, with its instances back. Return whether it was restored now.

    Not for two at a time: overlapping restores leave copies that are neither here nor there.
    """
    return _change_state(
        client, name, {"action": "restore"}, timeout_s, errors.AlreadyRestoredError
    )


def ensure_evacuation_mode(client: lxd.Client, member: str, mode: str) -> tuple[str, ...]:
    """Set ``cluster.evacuate`` of every instance on a member, in the client's project.

    Returns:
        The names of the instances that were changed.
    """
    here = (one for one in instances.every(client) if one.member == member)
    wanted = {_EVACUATE_KEY: mode}
    return tuple(one.name for one in here if instances.ensure_keys(client, one.name, wanted, {}))


def stranded(client: lxd.Client) -> Mapping[str, str]:
    """Return which instances of the project are away from home, and the member they came from."""
    found = instances.every(client)
    return {one.name: one.config[_STRANDED] for one in found if one.config.get(_STRANDED)}


def parse(found: fields.Json) -> Member:
    """Return a member from LXD's document of it."""
    status, roles = fields.text(found, "status"), fields.texts(found, "roles")
    known = {one.value.lower(): one for one in Status}
    return Member(
        name=fields.text(found, "server_name"),
        url=fields.text(found, "url"),
        status=known.get(status.lower(), Status.UNKNOWN),
        message=fields.text(found, "message"),
        roles=roles,
        votes="database" in roles,
        leads="database-leader" in roles,
        architecture=fields.text(found, "architecture"),
        failure_domain=fields.text(found, "failure_domain"),
        config=fields.mapping(found, "config"),
        groups=fields.texts(found, "groups"),
    )


def _change_state(
    client: lxd.Client,
    name: str,
    body: Mapping[str, Any],
    timeout_s: float,
    done: type[errors.LxdError],
) -> bool:
    path = f"{lxd.url('cluster', 'members', name)}/state"
    try:
        operations.run(client, "POST", path, body, timeout_s=timeout_s)
    except done:
        return False
    return True


def _token(operation: operations.Operation) -> JoinToken:
    return JoinToken(
        server_name=fields.text(operation.metadata, "serverName"),
        fingerprint=fields.text(operation.metadata, "fingerprint"),
        addresses=fields.texts(operation.metadata, "addresses"),
        secret=fields.text(operation.metadata, "secret"),
        expires_at=fields.text(operation.metadata, "expiresAt"),
        operation=operation.id,
    )
