"""Instances: made, started, stopped, moved, kept in snapshots, deleted."""

from __future__ import annotations

from collections.abc import Callable

from edgelab.pi.lxd import api, guest_api, guests, snapshots, state


def instances(request: api.Request) -> api.Reply:
    """Answer for instances and what belongs to one."""
    objects = request.site.objects
    guests.notice(request.machine.world, request.site)
    if len(request.parts) == 1:
        if request.method == "POST":
            return _make(request)
        folder = "instances/" if request.query.get("all-projects") else _folder(request)
        found = [one for key, one in sorted(objects.items()) if key.startswith(folder)]
        return api.Reply([_shown(request, one) for one in found])
    document = objects.get(f"{_folder(request)}{request.parts[1]}")
    if document is None:
        raise api.ApiError(404, "Instance not found")
    inner = _BELOW.get(request.parts[2]) if len(request.parts) > 2 else None
    return (inner or _change)(request, document)


def _folder(request: api.Request) -> str:
    return f"instances/{request.project}/"


def _make(request: api.Request) -> api.Reply:
    site, body = request.site, request.body
    key = f"{_folder(request)}{body['name']}"
    if key in site.objects:
        raise api.OperationFailed('This "instances" entry already exists')
    source = body.get("source", {})
    alias = f"aliases/{source.get('alias', '')}"
    if source.get("type") == "image" and "alias" in source and alias not in site.objects:
        raise api.ApiError(404, "Image alias not found")
    site.objects[key] = {
        "name": body["name"],
        "project": request.project,
        "type": body.get("type", "container"),
        "status": "Stopped",
        "location": _place(request),
        "architecture": "aarch64",
        "description": body.get("description", ""),
        "made_of": source.get("type", "none"),
        "image": source.get("alias", ""),
        "profiles": body.get("profiles", ["default"]),
        "config": dict(body.get("config", {})),
        "devices": dict(body.get("devices", {})),
        "snapshots": [],
    }
    return api.done(request)


def _place(request: api.Request) -> str:
    """Return the member that takes a new instance: the named one, or the emptiest."""
    site, world = request.site, request.machine.world
    if not site.clustered:
        return "none"
    named = request.query.get("target")
    if named:
        if site.members[named].evacuated:
            raise api.ApiError(400, "Cluster member is evacuated")
        return named
    load = {
        name: sum(o.get("location") == name for o in site.objects.values())
        for name in state.alive(world, site, request.machine)
        if not site.members[name].evacuated
    }
    if not load:
        raise api.ApiError(400, "No suitable cluster member could be found")
    return min(sorted(load), key=lambda name: load[name])


def _shown(request: api.Request, document: state.Json) -> state.Json:
    return {
        **document,
        "expanded_config": guests.expanded(request.site, document, "config"),
        "expanded_devices": guests.expanded(request.site, document, "devices"),
    }


def _state(request: api.Request, document: state.Json) -> api.Reply:
    site, world = request.site, request.machine.world
    if request.method == "GET":
        network = guests.shown(world, site, document)
        return api.Reply(
            {"status": document["status"], "network": network, "memory": {"usage": 0}}
        )
    action = request.body["action"]
    host = state.machine_of(world, site.members[document["location"]])
    if host is None or not world.reaches(request.machine, host):
        raise api.OperationFailed("Missing event connection with target cluster member")
    if action in ("start", "restart"):
        _check_modules(request, document)
    if action in ("stop", "restart"):
        guests.stop(world, site, document)
    if action != "stop":
        guests.start(host, site, document)
    return api.done(request)


def _check_modules(request: api.Request, document: state.Json) -> None:
    site = request.site
    machine = state.machine_of(request.machine.world, site.members[document["location"]])
    config = _shown(request, document)["expanded_config"]
    for module in config.get("linux.kernel_modules", "").split(","):
        if machine is not None and module in machine.missing_modules:
            raise api.OperationFailed(f"Failed to load kernel module '{module}'")


def _snapshots(request: api.Request, document: state.Json) -> api.Reply:
    world, site = request.machine.world, request.site
    if request.method == "POST":
        snapshots.take(world, site, document, str(request.body["name"]))
        return api.done(request)
    if len(request.parts) == 3:
        return api.Reply(document["snapshots"])
    found = _snapshot(document, request.parts[3])
    if request.method == "DELETE":
        snapshots.delete(world, site, document, found)
        return api.done(request)
    return api.Reply(found)


def _snapshot(document: state.Json, name: str) -> state.Json:
    """Return a snapshot of an instance, by its name."""
    found = next((one for one in document["snapshots"] if one["name"] == name), None)
    if found is None:
        raise api.ApiError(404, "Instance snapshot not found")
    return found


def _change(request: api.Request, document: state.Json) -> api.Reply:
    objects, body = request.site.objects, request.body
    key = f"instances/{document['project']}/{document['name']}"
    if request.method == "GET":
        return api.Reply(_shown(request, document))
    if request.method == "DELETE":
        if document["status"] == "Running":
            raise api.ApiError(400, "Instance is running")
        inside = guests.find(request.machine.world, request.site, document)
        if inside is not None:
            snapshots.delete_all(inside)
        guests.delete(request.machine.world, request.site, document)
        del objects[key]
    elif request.method == "POST" and body.get("migration"):
        document["location"] = request.query["target"]
    elif request.method == "POST":
        guests.rename(request.machine.world, request.site, document, str(body["name"]))
        objects[f"{_folder(request)}{body['name']}"] = objects.pop(key)
    elif "restore" not in body:
        api.check_etag(request, _shown(request, document))
        for field in ("config", "devices", "profiles", "description"):
            if field in body:
                document[field] = body[field]
    else:
        made = _snapshot(document, body["restore"])
        snapshots.restore(request.machine.world, request.site, document, made)
    return api.done(request)


_BELOW: dict[str, Callable[[api.Request, state.Json], api.Reply]] = {
    "exec": guest_api.run,
    "files": guest_api.content,
    "logs": guest_api.logs,
    "snapshots": _snapshots,
    "state": _state,
}
