"""The daemon of the LXD snap: when it is there, when it serves, what goes with it."""

from __future__ import annotations

import typing

from edgelab.pi import files
from edgelab.pi.lxd import guests, state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

FOLDER = "/var/snap/lxd/common/lxd"
SOCKET = f"{FOLDER}/unix.socket"
PROGRAM = "/snap/bin/lxd"
NOTE = "/var/snap/lxd/common/state"
UNIT = "snap.lxd.daemon.service"
API = "/snap/lxd/current/api"
"""No real program: what a call to the socket is called in the record of commands."""


def install(machine: machines.Machine) -> None:
    """Set up an empty daemon, as the snap's install does."""
    for program in (PROGRAM, API):
        files.write(machine, program, "", 0o755)
    begin(machine)
    sync(machine.world)


def begin(machine: machines.Machine) -> None:
    """Give a machine an empty database of its own."""
    world = machine.world
    drawn = world.random_hex("lxd", 76)
    site = state.Site(drawn[:12], drawn[12:])
    site.members["none"] = state.Member("none", machine.id, "", version(machine))
    site.objects["projects/default"] = {
        "name": "default",
        "description": "Default LXD project",
        "config": {"features.images": "true", "features.profiles": "true"},
    }
    site.objects["profiles/default/default"] = {
        "name": "default",
        "description": "Default LXD profile",
        "config": {},
        "devices": {},
    }
    world.lxd_sites[site.id] = site
    machine.lxd = state.Daemon(site.id)
    files.write(machine, f"{FOLDER}/server.crt", certificate(drawn[12:]))
    files.write(machine, f"{FOLDER}/server.key", f"key of {machine.id}\n", 0o600)
    files.write(machine, f"{FOLDER}/database/local.db", "local\n", 0o600)


def remove(machine: machines.Machine) -> None:
    """Take the daemon away, with its data and its instances."""
    guests.remove_all(machine)
    if machine.lxd is not None and not state.of(machine)[1].clustered:
        del machine.world.lxd_sites[machine.lxd.site]
    machine.lxd = None
    for path in (PROGRAM, API, SOCKET, *_files(machine)):
        files.remove(machine, path)


def refresh(machine: machines.Machine) -> None:
    """Start again with another release, and note which in the database."""
    daemon, site = state.of(machine)
    if daemon.member in site.members:
        site.members[daemon.member].version = version(machine)
    sync(machine.world)


def start(machine: machines.Machine) -> None:
    """Start the daemon."""
    if machine.lxd is not None:
        machine.lxd.running = True
        sync(machine.world)


def stop(machine: machines.Machine) -> None:
    """Stop the daemon, and what runs in its instances."""
    if machine.lxd is not None:
        machine.lxd.running = False
        guests.go_down(machine)
        sync(machine.world)


def reload(machine: machines.Machine) -> bool:
    """Have the daemon start anew while its instances run on. Return whether it runs at all."""
    if machine.lxd is None or not machine.lxd.running:
        return False
    # What is noted tells the next stop to spare the instances; the next start forgets it.
    files.write(machine, NOTE, "reload\n" if machine.lxd.hung else "")
    sync(machine.world)
    return True


def restart(machine: machines.Machine) -> None:
    """Stop and start the daemon; its instances go down unless a reload is under way."""
    if machine.lxd is None:
        return
    if files.read(machine, NOTE).strip() != "reload":
        stop(machine)
    files.write(machine, NOTE, "")
    machine.lxd.hung = False
    start(machine)


def serves(machine: machines.Machine) -> bool:
    """Return whether the daemon has its socket open."""
    if machine.lxd is None or not machine.powered:
        return False
    daemon, site = state.of(machine)
    member = site.members.get(daemon.member)
    if member is None or daemon.expelled or daemon.hung or not daemon.running:
        return False
    return not state.is_blocked(site, member)


def sync(world: worlds.World) -> None:
    """Have a socket on each machine whose daemon serves, and on no other."""
    for machine in list(world.machines.values()):
        if serves(machine):
            if not files.exists(machine, SOCKET):
                files.write(machine, SOCKET, "", 0o660)
            guests.wake(machine)
        elif machine.lxd is not None:
            files.remove(machine, SOCKET)


def plug(host: machines.Machine) -> None:
    """Give Juju's containers on a host the devices that the profile ``default`` has for them.

    A device is there at once; keys such as ``security.nesting`` count from the next start.
    """
    if host.lxd is None:
        return
    profile = state.of(host)[1].objects.get("profiles/default/default", {})
    paths = [str(one.get("path", "")) for one in profile.get("devices", {}).values()]
    for machine in host.world.machines.values():
        if machine.container_of == host.id and not machine.instance and "/dev/kmsg" in paths:
            files.write(machine, "/dev/kmsg", "")


def version(machine: machines.Machine) -> str:
    """Return the release, as the API shows it."""
    return machine.snaps["lxd"].version.partition("-")[0]


def certificate(fingerprint: str) -> str:
    """Return a stand-in for a certificate."""
    return f"-----BEGIN CERTIFICATE-----\n{fingerprint}\n-----END CERTIFICATE-----\n"


def _files(machine: machines.Machine) -> list[str]:
    root = machine.path(FOLDER)
    found = (path for path in root.rglob("*") if path.is_file())
    return [f"{FOLDER}/{path.relative_to(root)}" for path in found]
