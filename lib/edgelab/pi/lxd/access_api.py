"""Tokens, the operations that stand for them, and who is trusted."""

from __future__ import annotations

import base64
import datetime
import hashlib

from edgelab.pi.lxd import api, state

LIFE_S = 3 * 3600


def mint(
    request: api.Request, kind: str, name: str, projects: list[str] | None = None
) -> state.Token:
    """Make a token. One for the same name that was not used stays good."""
    world = request.machine.world
    token = state.Token(
        operation=world.random_hex("operation", 32),
        kind=kind,
        name=name,
        secret=world.random_hex("token", 64),
        expires_at=request.machine.now() + _life_s(request.site),
        projects=projects,
    )
    request.site.tokens[token.operation] = token
    return token


def _life_s(site: state.Site) -> float:
    text = site.config.get("cluster.join_token_expiry", "3H")
    return int(text[:-1]) * {"S": 1, "M": 60, "H": 3600}[text[-1]] if text else LIFE_S


def document(request: api.Request, token: state.Token) -> state.Json:
    """Return the operation that stands for a token."""
    site = request.site
    expires = datetime.datetime.fromtimestamp(token.expires_at, datetime.timezone.utc)
    metadata: state.Json = {
        "addresses": [member.address for member in site.members.values()],
        "fingerprint": site.fingerprint,
        "secret": token.secret,
        "expiresAt": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if token.kind == "join":
        metadata["serverName"] = token.name
    else:
        metadata["request"] = {"name": token.name, "projects": token.projects}
    found = api.operation(request, kind="token", metadata=metadata)
    return {**found, "id": token.operation}


def operations(request: api.Request) -> api.Reply:
    """List the operations that are not over: the tokens. Or cancel one."""
    tokens = request.site.tokens
    live = {key: one for key, one in tokens.items() if one.expires_at > request.machine.now()}
    if len(request.parts) == 1:
        found = [document(request, one) for one in live.values()]
        return api.Reply({"running": found} if found else {})
    if request.parts[1] not in live:
        raise api.ApiError(404, "Operation not found")
    if request.method == "DELETE":
        del tokens[request.parts[1]]
        return api.Reply({})
    return api.Reply(document(request, live[request.parts[1]]))


def certificates(request: api.Request) -> api.Reply:
    """Answer for who is trusted."""
    objects = request.site.objects
    if len(request.parts) > 1:
        key = f"certificates/{request.parts[1]}"
        if key not in objects:
            raise api.ApiError(404, "Certificate not found")
        if request.method == "DELETE":
            del objects[key]
        return api.Reply(objects.get(key, {}))
    if request.method == "GET":
        found = [one for key, one in sorted(objects.items()) if key.startswith("certificates/")]
        return api.Reply(found)
    body = request.body
    if body.get("token"):
        token = mint(request, "trust", str(body["name"]), body.get("projects"))
        return api.Reply(operation=document(request, token))
    der = base64.b64decode(str(body["certificate"]))
    fingerprint = hashlib.sha256(der).hexdigest()
    if f"certificates/{fingerprint}" in objects:
        raise api.ApiError(409, "Certificate already in trust store")
    objects[f"certificates/{fingerprint}"] = {
        "name": body["name"],
        "type": body["type"],
        "fingerprint": fingerprint,
        "restricted": bool(body.get("restricted")),
        "projects": body.get("projects") or [],
    }
    return api.Reply({})
