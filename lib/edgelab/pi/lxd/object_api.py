"""Profiles, projects, images and warnings: documents by name."""

from __future__ import annotations

import hashlib

from edgelab.pi.lxd import api, state


def profiles(request: api.Request) -> api.Reply:
    """Answer for the profiles of a project; a project without its own has the default ones."""
    project = request.site.objects.get(f"projects/{request.project}")
    if project is None:
        raise api.ApiError(404, "Project not found")
    own = project["config"].get("features.profiles") == "true"
    folder = f"profiles/{request.project if own else 'default'}"
    return _documents(request, folder, ("description", "config", "devices"))


def projects(request: api.Request) -> api.Reply:
    """Answer for projects."""
    reply = _documents(request, "projects", ("description", "config"))
    if request.method == "POST":
        document = request.site.objects[f"projects/{request.body['name']}"]
        defaults = {"features.images": "true", "features.profiles": "true"}
        document["config"] = {**defaults, **document["config"]}
        folder = f"profiles/{document['name']}/default"
        empty: state.Json = {"name": "default", "description": "", "config": {}, "devices": {}}
        request.site.objects.setdefault(folder, empty)
    return reply


def warnings(request: api.Request) -> api.Reply:
    """Answer for warnings."""
    return _documents(request, "warnings", ("status",))


def images(request: api.Request) -> api.Reply:
    """Answer for images and their aliases."""
    objects = request.site.objects
    if request.parts[1:2] == ["aliases"]:
        return _aliases(request)
    if request.method == "POST":
        return _upload(request)
    if len(request.parts) == 1:
        return api.Reply([o for k, o in sorted(objects.items()) if k.startswith("images/")])
    key = f"images/{request.parts[1]}"
    if key not in objects:
        raise api.ApiError(404, "Image not found")
    if request.method != "DELETE":
        return api.Reply(objects[key])
    for name in [key for key in objects if key.startswith("aliases/")]:
        if objects[name]["target"] == request.parts[1]:
            del objects[name]  # An image goes with all that it is called.
    return api.Reply(objects.pop(key))


def _upload(request: api.Request) -> api.Reply:
    """Take a unified tarball; its fingerprint is that of its bytes."""
    if request.headers.get("content-type", "").startswith("application/json"):
        return _fetch(request)
    digest = hashlib.sha256(request.text.encode("latin-1")).hexdigest()
    if f"images/{digest}" in request.site.objects:
        raise api.OperationFailed("Image with same fingerprint already exists")
    return _keep(request, digest, len(request.text))


def _fetch(request: api.Request) -> api.Reply:
    """Fetch an image from the server that is named, which takes an uplink."""
    source = request.body["source"]
    server, alias = str(source["server"]), str(source["alias"])
    if not server.startswith("https://"):
        raise api.ApiError(400, "Only https URLs are supported for simplestreams")
    if not request.machine.uplink:
        name = server.partition("//")[2].partition("/")[0]
        raise api.OperationFailed(f'Get "{server}": dial tcp: lookup {name}: no such host')
    return _keep(request, hashlib.sha256(f"{server} {alias}".encode()).hexdigest(), 250 * 10**6)


def _keep(request: api.Request, digest: str, size: int) -> api.Reply:
    request.site.objects[f"images/{digest}"] = {
        "fingerprint": digest,
        "type": "container",
        "architecture": "aarch64",
        "aliases": [],
        "size": size,
        "properties": {},
    }
    return api.done(request, {"fingerprint": digest})


def _aliases(request: api.Request) -> api.Reply:
    objects = request.site.objects
    if request.method == "POST":
        body = request.body
        objects[f"aliases/{body['name']}"] = {"name": body["name"], "target": body["target"]}
        return api.Reply({})
    key = f"aliases/{'/'.join(request.parts[2:])}"
    if key not in objects:
        raise api.ApiError(404, "Image alias not found")
    if request.method == "PUT":
        objects[key]["target"] = request.body["target"]
    return api.Reply(objects[key])


def _documents(request: api.Request, folder: str, keys: tuple[str, ...]) -> api.Reply:
    objects = request.site.objects
    if request.method == "POST":
        name = str(request.body["name"])
        if f"{folder}/{name}" in objects:
            raise api.ApiError(409, f"{name} already exists")
        objects[f"{folder}/{name}"] = {"name": name, **_kept(request.body, keys)}
        return api.Reply({})
    if len(request.parts) == 1:
        found = [one for key, one in sorted(objects.items()) if key.startswith(f"{folder}/")]
        return api.Reply([{**one, "used_by": []} for one in found])
    key = f"{folder}/{request.parts[1]}"
    if key not in objects:
        raise api.ApiError(404, "not found")
    if request.method == "DELETE":
        return api.Reply(objects.pop(key))
    if request.method == "PUT":
        api.check_etag(request, {**objects[key], "used_by": []})
        objects[key].update(_kept(request.body, keys))
    return api.Reply({**objects[key], "used_by": []})


def _kept(body: state.Json, keys: tuple[str, ...]) -> state.Json:
    """Return what LXD knows of a document; the rest it ignores without a word."""
    return {key: body[key] for key in keys if key in body}
