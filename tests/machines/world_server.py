"""A simulated world in a process of its own, for stand-ins that containers run.

The world stays in memory. What the containers run knows nothing of it: it hands its arguments to a
socket that lies beside the machines' files, and prints what comes back. So a command costs what
Python takes to start, and not what it takes to load a world and to save it.
"""

import contextlib
import json
import math
import pathlib
import socket
import subprocess
import sys
import time
import traceback

from edgelab import pi
from edgelab.pi import durations, executable, faults, installing, process

SOCKET = "asked"
QUICKER = {
    "NODE_READY_AFTER_INSTALL": 2.0,
    "NODE_READY_AFTER_RESTART": 1.0,
    "NODE_READY_AFTER_BOOT": 2.0,
    "NODE_UNKNOWN_AFTER": 20.0,
    "ROLES_EVERY": 2.0,
}
SPEED = 0.01
"""What takes a second on a Pi takes so long here."""
CLIENT = """\
#!/usr/bin/python3 -IS
import json, os, signal, socket, sys

asked = {{"machine": {machine!r}, "argv": [{program!r}, *sys.argv[1:]], "at": os.getcwd()}}
asked["stdin"] = "" if sys.stdin.isatty() else sys.stdin.read()
with socket.socket(socket.AF_UNIX) as line:
    line.connect({world!r} + "/{socket}")
    line.sendall(json.dumps(asked).encode())
    line.shutdown(socket.SHUT_WR)
    said = line.makefile().read()
if not said:
    signal.pause()  # It never ends.
found = json.loads(said)
sys.stdout.write(found["stdout"])
sys.stderr.write(found["stderr"])
sys.exit(found["code"])
"""


def client(world, machine, program):
    """Return the text of one stand-in."""
    return CLIENT.format(world=str(world), machine=machine, program=program, socket=SOCKET)


class World:
    """A world that another process serves: a program that ends in :func:`serve`."""

    def __init__(self, program, folder):
        self.folder = folder
        words = (sys.executable, str(program), str(folder))
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (folder / SOCKET).exists():
            assert time.monotonic() < deadline and self._process.poll() is None
            time.sleep(0.05)

    def ask(self, what, *words):
        """Look at the world, or change it."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(120)
            line.connect(str(self.folder / SOCKET))
            line.sendall(json.dumps({"do": what, "words": words}).encode())
            line.shutdown(socket.SHUT_WR)
            found = json.loads(line.makefile().read())
        assert "problem" not in found, found["problem"]
        return found["said"]

    def close(self):
        self._process.terminate()
        self._process.wait(30)


class Server:
    """Does what is asked, one thing after the other, as the lock of the stand-ins on disk does."""

    programs = ("snap", "systemctl", "curl", "vcgencmd")

    def __init__(self, folder):
        self.folder = folder
        self.load()
        for number in self.world.machines:
            pi.install(folder / "programs" / number, folder, number, self.programs)

    def load(self):
        """Take up the world as it is on disk."""
        self.world = pi.World.load(self.folder)
        self.world.executable = str(self.folder)
        installing.refresh(self.world)

    def serve(self):
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(self.folder / "asked.new"))
            door.listen(64)
            (self.folder / "asked.new").rename(self.folder / SOCKET)
            while True:
                line, _ = door.accept()
                with line:
                    self._answer(line)

    def _answer(self, line):
        try:
            asked = json.loads(line.makefile().read())
            found = self._obey(asked) if "do" in asked else self._run(asked)
        except Exception:  # Who asked says what to do about it.
            found = {"problem": traceback.format_exc()}
        with contextlib.suppress(OSError):  # Who asked may have lost its power.
            line.sendall(json.dumps(found).encode() if found else b"")

    def _run(self, asked):
        """Run a stand-in; None if it never ends."""
        where, argv = self.world.machines[asked["machine"]], asked["argv"]
        stdin = asked["stdin"] if executable._wants_stdin(argv) else None
        inside = asked["at"].removeprefix(str(where.root)) or "/"
        try:
            done = self.world.run(
                where, argv, timeout_s=math.inf, stdin=stdin, env={"PWD": inside}
            )
            return {"stdout": done.stdout, "stderr": done.stderr, "code": done.returncode}
        except process.Endless:
            return None
        except (faults.PowerCut, FileNotFoundError) as e:
            return {"stdout": "", "stderr": f"{argv[0]}: {e!r}\n", "code": 127}
        finally:
            self.world.calls.clear()
            installing.refresh(self.world)

    def _obey(self, asked):
        self.world.catch_up()
        return {"said": getattr(self, asked["do"])(*asked["words"])}


def serve(kind):
    """Serve the world in the folder that the command line names."""
    vars(durations).update(QUICKER)
    installing.script = client
    kind(pathlib.Path(sys.argv[1])).serve()


def save(world):
    """Save a world whose clock is the real one from now on."""
    world.clock = pi.RealClock()
    world.speed = SPEED
    world.calls.clear()
    world.save()
