"""The cluster: its birth, its members, evacuation, removal."""

from __future__ import annotations

import typing

from edgelab.pi.lxd import access_api, api, daemon, guests, state

if typing.TYPE_CHECKING:
    from edgelab.pi import world as worlds


def cluster(request: api.Request) -> api.Reply:
    """Answer for ``/1.0/cluster`` and what lies below."""
    if request.parts[1:2] == ["members"]:
        return _members(request)
    if request.method == "PUT":
        return _begin(request)
    document: state.Json = {
        "enabled": request.site.clustered,
        "server_name": "",
        "member_config": [],
    }
    if request.site.clustered:
        document["server_name"] = request.daemon.member
    return api.Reply(document)


def _begin(request: api.Request) -> api.Reply:
    site, own, name = request.site, request.site.own, str(request.body["server_name"])
    if site.clustered:
        raise api.OperationFailed("This server is already clustered")
    address = own.get("none", {}).get("core.https_address", "")
    if not address:
        raise api.ApiError(400, "Set core.https_address first: it has no address")
    site.clustered, site.voters = True, [name]
    own[name] = {**own.pop("none"), "cluster.https_address": address}
    site.members = {
        name: state.Member(name, request.machine.id, address, daemon.version(request.machine))
    }
    request.daemon.member = name
    for document in site.objects.values():
        if "locations" in document:
            document["locations"] = [name]
        if document.get("location") == "none":
            document["location"] = name
    return api.done(request)


def _members(request: api.Request) -> api.Reply:
    site = request.site
    if not site.clustered:
        raise api.ApiError(500, "Server is not clustered")
    if len(request.parts) == 2:
        if request.method == "POST":
            token = access_api.mint(request, "join", str(request.body["server_name"]))
            return api.Reply(operation=access_api.document(request, token))
        found = [_document(request, one) for one in site.members.values()]
        return api.Reply(found if request.whole else [f"/1.0/cluster/members/{n}" for n in found])
    member = site.members.get(request.parts[2])
    if member is None:
        raise api.ApiError(404, "Cluster member not found")
    if request.parts[3:] == ["state"]:
        return _change_state(request, member)
    return _member(request, member)


def _member(request: api.Request, member: state.Member) -> api.Reply:
    document = _document(request, member)
    if request.method == "GET":
        return api.Reply(document)
    if request.method == "PUT":
        api.check_etag(request, document)
        member.config = dict(request.body["config"])
        member.failure_domain = str(request.body["failure_domain"])
        return api.Reply({})
    return _remove(request, member)


def _remove(request: api.Request, member: state.Member) -> api.Reply:
    world, site = request.machine.world, request.site
    forced = request.query.get("force") == "1"
    held = _held(site, member.name)
    if held and not forced:
        raise api.ApiError(400, f"Node still has the following containers: {', '.join(held)}")
    machine = state.machine_of(world, member)
    answers = member.name in state.alive(world, site, request.machine)
    if not answers and not forced:
        raise api.ApiError(500, f"Unable to connect to: {member.address}")
    if len(site.members) == 1:
        raise api.ApiError(400, "Cannot leave a cluster of one")
    del site.members[member.name]
    site.own.pop(member.name, None)
    _forget(site, member.name)
    state.rebalance(world, site, request.machine)
    if machine is not None and forced and machine.lxd is not None:
        machine.lxd.expelled = True
    elif machine is not None:
        daemon.begin(machine)
    daemon.sync(world)
    return api.done(request)


def _held(site: state.Site, member: str) -> list[str]:
    return [
        document["name"]
        for key, document in sorted(site.objects.items())
        if key.startswith("instances/") and document["location"] == member
    ]


def _forget(site: state.Site, member: str) -> None:
    """Drop what a member had, its volumes and instances with it."""
    for key, document in list(site.objects.items()):
        if "locations" in document:
            document["locations"] = [one for one in document["locations"] if one != member]
            document["own"].pop(member, None)
        elif document.get("location") == member:
            del site.objects[key]


def _document(request: api.Request, member: state.Member) -> state.Json:
    site, world = request.site, request.machine.world
    answering = state.alive(world, site, request.machine)
    leader = next((name for name in site.voters if name in answering), "")
    roles = ["database"] if member.name in site.voters else ["database-standby"]
    status = "Online" if member.name in answering else "Offline"
    if status == "Online" and member.evacuated:
        status = "Evacuated"
    return {
        "server_name": member.name,
        "url": f"https://{member.address}",
        "database": member.name in site.voters,
        "roles": [*roles, *(["database-leader"] if member.name == leader else [])],
        "status": status,
        "message": "Fully operational" if status == "Online" else "No heartbeat for 25 s",
        "architecture": "aarch64",
        "failure_domain": member.failure_domain,
        "config": dict(member.config),
        "groups": ["default"],
        "description": "",
    }


def _change_state(request: api.Request, member: state.Member) -> api.Reply:
    world, site, action = request.machine.world, request.site, request.body["action"]
    if member.name not in state.alive(world, site, request.machine):
        raise api.OperationFailed("Missing event connection with target cluster member")
    if action == "evacuate":
        if member.evacuated:
            raise api.OperationFailed("Cluster member is already evacuated")
        _evacuate(request, member, str(request.body.get("mode", "")))
        member.evacuated = True
    else:
        if not member.evacuated:
            raise api.OperationFailed("Cluster member is already restored")
        member.evacuated = False
        _restore(world, site, member)
    return api.done(request)


def _evacuate(request: api.Request, member: state.Member, mode: str) -> None:
    world, site = request.machine.world, request.site
    others = state.alive(world, site, request.machine) - {member.name}
    free = sorted(name for name in others if not site.members[name].evacuated)
    for document in guests.on(site, member.name):
        keys = guests.expanded(site, document, "config")
        way = mode or keys.get("cluster.evacuate", "auto")
        was_running = document["status"] == guests.RUNNING
        guests.stop(world, site, document)
        if way == "stop":
            document["config"][guests.LAST] = "RUNNING" if was_running else ""
            continue
        if not free:
            raise api.OperationFailed("No suitable cluster member could be found")
        document["config"]["volatile.evacuate.origin"] = member.name
        _move(world, site, document, free[0], start=was_running)


def _restore(world: worlds.World, site: state.Site, member: state.Member) -> None:
    for document in guests.on(site, member.name):
        if document["config"].pop(guests.LAST, "") == "RUNNING":
            _move(world, site, document, member.name, start=True)
    for key, document in site.objects.items():
        if not key.startswith("instances/"):
            continue
        if document["config"].get("volatile.evacuate.origin") == member.name:
            was_running = document["status"] == guests.RUNNING
            guests.stop(world, site, document)
            del document["config"]["volatile.evacuate.origin"]
            _move(world, site, document, member.name, start=was_running)


def _move(
    world: worlds.World, site: state.Site, document: state.Json, name: str, *, start: bool
) -> None:
    """Have an instance on a member, and have it run there if it shall."""
    document["location"] = name
    host = state.machine_of(world, site.members[name])
    if start and host is not None:
        guests.start(host, site, document)
