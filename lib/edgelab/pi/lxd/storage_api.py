"""Pools, their volumes, and networks: in a cluster announced on each member, then made."""

from __future__ import annotations

import ipaddress

from edgelab.pi.lxd import api, guests, state


def pools(request: api.Request) -> api.Reply:
    """Answer for storage pools and what lies in them."""
    rest = request.parts[2:]
    if rest[:1] == ["volumes"]:
        return _volumes(request)
    if rest == ["resources"]:
        total = 200 * 10**9
        space = {"used": total // 10, "total": total}
        return api.Reply({"space": space, "inodes": {"used": 0, "total": 0}})
    return _clusterwide(request, "driver")


def networks(request: api.Request) -> api.Reply:
    """Answer for networks, and for the addresses that one gave away."""
    if request.parts[2:] == ["leases"]:
        if f"networks/{request.parts[1]}" not in request.site.objects:
            raise api.ApiError(404, "Network not found")
        world = request.machine.world
        return api.Reply(list(guests.leases(world, request.site, request.parts[1])))
    return _clusterwide(request, "type")


def _clusterwide(request: api.Request, kind: str) -> api.Reply:
    collection, objects = request.parts[0], request.site.objects
    if len(request.parts) == 1:
        if request.method == "GET":
            found = [o for k, o in sorted(objects.items()) if k.startswith(f"{collection}/")]
            return api.Reply([_shown(request, one) for one in found])
        return _make(request, kind)
    key = f"{collection}/{request.parts[1]}"
    if key not in objects:
        raise api.ApiError(404, "not found")
    if request.method == "DELETE":
        del objects[key]
    elif request.method == "PUT":
        api.check_etag(request, _shown(request, objects[key]))
        objects[key]["config"] = dict(request.body["config"])
    return api.Reply(_shown(request, objects[key]) if key in objects else {})


def _shown(request: api.Request, document: state.Json) -> state.Json:
    own = document["own"].get(request.query.get("target", ""), {})
    return {**document, "config": {**document["config"], **own}, "used_by": []}


def _make(request: api.Request, kind: str) -> api.Reply:
    site, body = request.site, request.body
    name, target = str(body["name"]), request.query.get("target", "")
    key = f"{request.parts[0]}/{name}"
    present = site.objects.get(key)
    fresh: state.Json = {
        "name": name,
        kind: body[kind],
        "managed": True,
        "status": "Pending",
        "config": {},
        "locations": [],
        "own": {},
    }
    if target:
        document = site.objects.setdefault(key, fresh)
        if target in document["locations"]:
            raise api.ApiError(409, f'The pool already defined on member "{target}"')
        _check_source(request, target, body.get("config", {}))
        document["locations"].append(target)
        document["own"][target] = dict(body.get("config", {}))
        return api.Reply({})
    if site.clustered:
        if present is None:
            raise api.ApiError(400, "Pool not pending on any node (use --target <node> first)")
        if set(present["locations"]) != set(site.members):
            raise api.ApiError(400, "Pool not defined on nodes: some are missing")
    elif present is not None:
        raise api.ApiError(409, f"{name} already exists")
    else:
        _check_source(request, request.daemon.member, body.get("config", {}))
        present = site.objects.setdefault(key, {**fresh, "locations": ["none"]})
    config = dict(body.get("config", {}))
    if request.parts[0] == "networks" and body[kind] == "bridge":
        config["ipv4.address"] = _subnet(site, config.get("ipv4.address", "auto"))
    present.update(status="Created", config=config)
    return api.Reply({})


def _subnet(site: state.Site, wanted: str) -> str:
    """Return the address of a bridge; a random subnet's where LXD is to choose."""
    if wanted != "auto":
        return wanted
    drawn = int(site.id, 16)
    return str(ipaddress.ip_interface(f"10.{100 + drawn % 100}.{drawn // 100 % 256}.1/24"))


def _check_source(request: api.Request, member: str, config: dict[str, str]) -> None:
    """Refuse a disk that holds something, as the program that formats it does."""
    machine = state.machine_of(request.machine.world, request.site.members[member])
    for drive in machine.drives if machine else []:
        if config.get("source") == f"/dev/{drive['id']}" and drive["partitions"]:
            raise api.ApiError(500, f"Failed to format {config['source']}: it holds partitions")


def _volumes(request: api.Request) -> api.Reply:
    objects, pool, target = request.site.objects, request.parts[1], request.target
    name = request.parts[4] if len(request.parts) > 4 else ""
    if request.method == "POST":
        name = str(request.body["name"])
        objects[f"volumes/{pool}/{target}/{name}"] = {
            "name": name,
            "type": "custom",
            "location": target,
            "config": request.body.get("config", {}),
        }
        return api.Reply({})
    if name:
        key = f"volumes/{pool}/{target}/{name}"
        if key not in objects:
            raise api.ApiError(404, "Storage volume not found")
        return api.Reply(objects.pop(key) if request.method == "DELETE" else objects[key])
    found = [o for k, o in sorted(objects.items()) if k.startswith(f"volumes/{pool}/")]
    return api.Reply(found)
