"""Which handler answers which call, and which calls need no database of the cluster."""

from __future__ import annotations

from edgelab.pi.lxd import (
    access_api,
    api,
    cluster_api,
    instance_api,
    object_api,
    recover_api,
    server_api,
    storage_api,
)

_COLLECTIONS: dict[str, api.Handler] = {
    "": server_api.server,
    "certificates": access_api.certificates,
    "cluster": cluster_api.cluster,
    "images": object_api.images,
    "instances": instance_api.instances,
    "metrics": server_api.metrics,
    "networks": storage_api.networks,
    "operations": access_api.operations,
    "profiles": object_api.profiles,
    "projects": object_api.projects,
    "recover": recover_api.recover,
    "resources": server_api.resources,
    "storage-pools": storage_api.pools,
    "warnings": object_api.warnings,
}


def find(request: api.Request) -> api.Handler:
    """Return who answers a call. Raises api.ApiError if nobody does."""
    name = request.parts[0] if request.parts else ""
    if name not in _COLLECTIONS:
        raise api.ApiError(404, "not found")
    return _COLLECTIONS[name]


def is_local(request: api.Request) -> bool:
    """Return whether a daemon answers by itself, without the database of its cluster."""
    return request.method == "GET" and request.parts[:1] in ([], [""], ["resources"], ["metrics"])
