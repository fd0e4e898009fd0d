"""What is done inside an instance from outside: commands run, files put and fetched."""

from __future__ import annotations

import subprocess
import typing

from edgelab.pi import faults, files, tasks
from edgelab.pi.lxd import api, daemon, guests, state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

LOGS = f"{daemon.FOLDER}/logs"

_LIMIT_S = 3600.0
"""Nothing that a charm runs in an instance takes longer, unless it never ends."""
_KILLED = 137


def run(request: api.Request, document: state.Json) -> api.Reply:
    """Run a command to its end, and keep what it printed until somebody deletes it."""
    inside = _inside(request, document)
    if document["status"] != guests.RUNNING or not inside.powered:
        raise api.ApiError(400, "Instance is not running")
    body = request.body
    try:
        with tasks.unmeasured():  # LXD answers the call at once.
            done = request.machine.world.run(
                inside,
                [str(word) for word in body["command"]],
                timeout_s=_LIMIT_S,
                env=body.get("environment") or {},
            )
    except FileNotFoundError as error:
        raise api.OperationFailed("Command not found") from error
    except subprocess.TimeoutExpired:
        return api.Reply(operation=api.operation(request, kind="websocket", goes_on=True))
    except faults.PowerCut:
        if not request.machine.powered:
            raise
        return api.done(request, _output(request, document, _KILLED, "", ""))
    return api.done(request, _output(request, document, done.returncode, done.stdout, done.stderr))


def _output(
    request: api.Request, document: state.Json, code: int, out: str, err: str
) -> state.Json:
    """Keep what a command printed beside the instance. Return what its operation says of it."""
    name, drawn = str(document["name"]), request.machine.world.random_hex("exec", 32)
    kept: dict[str, str] = {}
    for number, kind, text in (("1", "stdout", out), ("2", "stderr", err)):
        log = f"exec_{drawn}.{kind}"
        files.write(request.machine, f"{LOGS}/{name}/{log}", text, 0o600)
        kept[number] = f"/1.0/instances/{name}/logs/{log}"
    return {"return": code, "output": kept}


def logs(request: api.Request, document: state.Json) -> api.Reply:
    """Hand out what a command printed, or delete it."""
    path = f"{LOGS}/{document['name']}/{request.parts[3]}"
    if not files.exists(request.machine, path):
        raise api.ApiError(404, "Not Found")
    if request.method == "DELETE":
        files.remove(request.machine, path)
        return api.Reply({})
    return api.Reply(text=files.read(request.machine, path))


def content(request: api.Request, document: state.Json) -> api.Reply:
    """Put a file of root's into an instance, or hand one out."""
    inside, path = _inside(request, document), request.query["path"]
    if request.method == "POST":
        if not inside.path(path).parent.is_dir():
            raise api.ApiError(404, "Not Found")
        mode = int(request.headers.get("x-lxd-mode") or "0644", 8)
        text = request.text.encode("latin-1").decode()
        if inside.free_bytes() < len(text):
            raise api.ApiError(500, "write: no space left on device")
        files.write(inside, path, text, mode)
        inside.world.touch()
        return api.Reply({})
    found = inside.path(path)
    if not found.exists():
        raise api.ApiError(404, "Not Found")
    if found.is_dir():
        return api.Reply(text="", headers={"X-LXD-type": "directory"})
    return api.Reply(text=files.read(inside, path), headers={"X-LXD-type": "file"})


def _inside(request: api.Request, document: state.Json) -> machines.Machine:
    """Return the machine in an instance, wherever in the cluster that is."""
    world = request.machine.world
    inside = guests.find(world, request.site, document)
    if inside is None:
        raise api.ApiError(400, "Instance is not running")
    host = world.machines[inside.container_of or ""]
    if not world.reaches(request.machine, host):
        raise api.ApiError(500, "Missing event connection with target cluster member")
    return inside
