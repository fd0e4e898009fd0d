"""Taking over what an earlier daemon left on a disk: ``/internal/recover``, of ``lxd recover``."""

from __future__ import annotations

from edgelab.pi.lxd import api, state


def recover(request: api.Request) -> api.Reply:
    """Say what lies in the pools that are named, or take it into the database."""
    missing: list[str] = []
    volumes: list[state.Json] = []
    for pool in request.body["pools"]:
        for document in _left(request, pool):
            volumes.append({**_volume(document), "pool": pool["name"]})
            missing += _missing(request.site, document)
    if request.parts[1:] == ["validate"]:
        found = {"UnknownVolumes": volumes, "DependencyErrors": sorted(set(missing))}
        return api.Reply(found)
    if missing:
        raise api.ApiError(500, missing[0])
    for pool in request.body["pools"]:
        _take(request, pool)
    return api.Reply({})


def _left(request: api.Request, pool: state.Json) -> list[state.Json]:
    source = pool["config"]["source"]
    for drive in request.machine.drives:
        if source == f"/dev/{drive['id']}" and "left" in drive:
            return drive["left"]
    raise api.ApiError(500, f"Failed mounting pool {pool['name']}: no such file {source}")


def _volume(document: state.Json) -> state.Json:
    keys = {key: document[key] for key in ("name", "type", "project")}
    return {**keys, "snapshotCount": len(document["snapshots"])}


def _missing(site: state.Site, document: state.Json) -> list[str]:
    """Return what an instance refers to and the database lacks, in LXD's words."""
    project = document["project"]
    if f"projects/{project}" not in site.objects:
        return [f'Project "{project}"']
    found = [
        f'Profile "{name}" in project "{project}"'
        for name in document["profiles"]
        if f"profiles/{project}/{name}" not in site.objects
    ]
    nics = [one["network"] for one in document["devices"].values() if "network" in one]
    return found + [
        f'Network "{name}" in project "{project}"'
        for name in nics
        if f"networks/{name}" not in site.objects
    ]


def _take(request: api.Request, pool: state.Json) -> None:
    objects = request.site.objects
    objects[f"storage-pools/{pool['name']}"] = {
        "name": pool["name"],
        "driver": pool["driver"],
        "managed": True,
        "status": "Created",
        "config": {},
        "locations": ["none"],
        "own": {"none": dict(pool["config"])},
    }
    for document in _left(request, pool):
        key = f"instances/{document['project']}/{document['name']}"
        objects[key] = {**document, "location": "none", "status": "Stopped"}
