"""``/1.0`` itself, the hardware, the metrics."""

from __future__ import annotations

from edgelab.pi.lxd import api, daemon, state

_KNOWN = ("core.", "cluster.", "images.", "backups.", "instances.", "storage.", "user.")
OWN = (
    "core.https_address",
    "core.metrics_address",
    "cluster.https_address",
    "storage.backups_volume",
    "storage.images_volume",
)
"""Keys that each member has for itself."""


def server(request: api.Request) -> api.Reply:
    """Answer for the daemon as a whole."""
    document = _document(request)
    if request.method == "GET":
        return api.Reply(document)
    api.check_etag(request, document)
    wanted = {key: str(value) for key, value in request.body.get("config", {}).items()}
    _check(request, wanted)
    site, own = request.site, request.site.own.setdefault(request.target, {})
    own.clear()
    own.update({key: value for key, value in wanted.items() if key in OWN and value})
    site.config = {key: value for key, value in wanted.items() if key not in OWN and value}
    return api.Reply({})


def _document(request: api.Request) -> state.Json:
    site, machine = request.site, request.machine
    own = site.own.get(request.target, {})
    address = own.get("core.https_address", "")
    return {
        "config": {**site.config, **own},
        "api_extensions": list(api.EXTENSIONS),
        "api_status": "stable",
        "auth": "trusted",
        "environment": {
            "addresses": [address] if address else [],
            "architectures": ["aarch64" if machine.arch == "arm64" else "x86_64"],
            "certificate": daemon.certificate(site.fingerprint),
            "certificate_fingerprint": site.fingerprint,
            "server": "lxd",
            "server_clustered": site.clustered,
            "server_name": request.daemon.member if site.clustered else machine.hostname,
            "server_version": daemon.version(machine),
            "storage_supported_drivers": [
                {"Name": name} for name in ("btrfs", "dir") if name not in machine.missing_modules
            ],
        },
    }


def _check(request: api.Request, wanted: dict[str, str]) -> None:
    for key, value in wanted.items():
        if not key.startswith(_KNOWN):
            raise api.ApiError(500, f'cannot set "{key}" to "{value}": Unknown configuration key')
        if key.endswith("_volume") and value:
            pool, _, volume = value.partition("/")
            if f"volumes/{pool}/{request.target}/{volume}" not in request.site.objects:
                raise api.ApiError(500, f'Unable to load storage volume "{volume}": not found')


def metrics(request: api.Request) -> api.Reply:
    """Show a few metrics of this member and its own instances."""
    names = [
        document["name"]
        for key, document in sorted(request.site.objects.items())
        if key.startswith("instances/") and document["location"] == request.daemon.member
    ]
    lines = [f'lxd_memory_MemTotal_bytes{{name="{name}"}} 536870912' for name in names]
    return api.Reply(text="\n".join(["lxd_uptime_seconds 100", *lines, "# EOF", ""]))


def resources(request: api.Request) -> api.Reply:
    """Show the machine's hardware."""
    machine = request.machine
    if request.query.get("target"):
        member = request.site.members[request.target]
        machine = state.machine_of(machine.world, member) or machine
    return api.Reply(
        {
            "cpu": {"total": machine.cores, "architecture": machine.arch},
            "memory": {"total": machine.mem_kb * 1024, "used": machine.mem_kb * 256},
            "network": {"cards": [{"ports": [{"id": "eth0"}]}]},
            "storage": {"disks": machine.drives},
        }
    )
