"""Make and change the simulated cluster whose stand-ins the containers run. Run as a program.

It is a program of its own so that it uses the copy of the library that the containers see, and
writes the containers' Python into the executables.
"""

import json
import pathlib
import sys
import time

from edgelab import pi
from edgelab.pi import executable

PROGRAMS = ("snap", "systemctl", "curl", "vcgencmd")


def build(folder, count):
    """Form a cluster of voters, then let its clock be the real one."""
    world = pi.World(folder / "world", pi.Clock(time.time() - 4000), seed=1)
    for number in range(count):
        found = world.add_machine(str(number)).host()
        words = ("install", "microk8s", "--classic", "--channel=1.35/stable")
        found.run(("/usr/bin/snap", *words), timeout_s=900)
        found.run(("/usr/bin/snap", "refresh", "--hold", "microk8s"), timeout_s=900)
    world.clock.advance(60)
    first = world.machines["0"].host()
    for number in range(1, count):
        url = mint(first)
        world.machines[str(number)].host().run(("/snap/bin/microk8s", "join", url), timeout_s=900)
        world.clock.advance(120)
        world.tick()
    world.clock = pi.RealClock()
    world.speed = 0.01
    world.save()
    for number in range(count):
        pi.install(folder / f"programs-{number}", folder / "world", str(number), PROGRAMS)


def mint(found, *options):
    words = ("/snap/bin/microk8s", "add-node", "--format", "json", *options)
    return json.loads(found.run(words, timeout_s=900).stdout)["urls"][0]


def show(world):
    """Print what the tests ask of the cluster."""
    cluster = world.clusters[world.machines["0"].node.cluster]
    print(
        json.dumps(
            {
                number: {
                    "revision": machine.snaps["microk8s"].revision,
                    "cordoned": cluster.nodes[machine.hostname].cordoned,
                    "annotations": cluster.nodes[machine.hostname].annotations,
                    "ready": cluster.nodes[machine.hostname].ready,
                    "reverts": [c.kind for c in machine.changes if c.kind == "revert-snap"],
                    "old": world.store.find("microk8s", "1.35/stable", "arm64").revision,
                    "new": world.store.find("microk8s", "1.36/stable", "arm64").revision,
                    "voter": any(
                        m.machine == number and m.role == "voter" for m in cluster.members
                    ),
                }
                for number, machine in world.machines.items()
            }
        )
    )


def main(folder, what, *words):
    sys.executable = "/usr/bin/python3"
    if what == "build":
        build(folder, int(words[0]))
        return
    home = folder / "world"
    with executable._locked(home), executable._opened(home) as world:
        if what == "off":
            world.machines[words[0]].power_off()
        elif what == "on":
            world.machines[words[0]].power_on()
        elif what == "offer":
            print(mint(world.machines[words[0]].host(), "--token-ttl", "1000000"))
        elif what == "spoil":
            world.bad_revisions[words[0]] = words[1]
        else:
            world.tick()
            show(world)


main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
