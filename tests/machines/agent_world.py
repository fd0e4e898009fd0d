"""The simulated cluster of voters that the agent's containers are nodes of."""

import json
import pathlib
import shutil
import time

import world_server

from edgelab import pi

BAD = 1000
"""How much higher the number of the build is that is spoilt, so that the good one stays good."""


def start(folder):
    """Return a world that was built there, served by a process of its own."""
    return world_server.World(pathlib.Path(__file__), folder)


def build(folder, count=3):
    """Form a cluster of voters, then let its clock be the real one."""
    world = pi.World(folder, pi.Clock(time.time() - 4000), seed=1)
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
    good = _good(world)
    world.store.publish("microk8s", "1.36/candidate", "arm64", _bad(world), good.version)
    world_server.save(world)


def mint(found, *options):
    words = ("/snap/bin/microk8s", "add-node", "--format", "json", *options)
    return json.loads(found.run(words, timeout_s=900).stdout)["urls"][0]


def _good(world):
    return world.store.find("microk8s", "1.36/stable", "arm64")


def _bad(world):
    return str(int(_good(world).revision) + BAD)


class Server(world_server.Server):
    """A world that can be made what it was, beside the folder ``clean`` that says so."""

    def reset(self):
        """Make everything what it was when the world was built."""
        clean, folder = self.folder.with_name("clean"), self.folder
        for root in folder.glob("machines/*"):
            _empty(root)
        shutil.copytree(clean, folder, symlinks=True, dirs_exist_ok=True)
        self.load()

    def cut(self, number):
        """Pull the plug of a machine, and put it in."""
        self.world.machines[number].reboot()

    def offer(self, number):
        return mint(self.world.machines[number].host(), "--token-ttl", "1000000")

    def spoil(self, number, how):
        """Let the spoilt build be bad in this way on a machine; in no way at all if empty."""
        self.world.bad_revisions[f"{number}/{_bad(self.world)}"] = how

    def refresh(self, number):
        """Let a machine run the new build at once."""
        words = ("/usr/bin/snap", "refresh", "microk8s", "--channel=1.36/stable")
        self.world.speed = world_server.SPEED / 10
        self.world.machines[number].host().run(words, timeout_s=900)
        self.world.speed = world_server.SPEED

    def show(self):
        """Return what the tests ask of the cluster."""
        self.world.tick()
        cluster = max(self.world.clusters.values(), key=lambda each: len(each.members))
        voters = {member.machine for member in cluster.members if member.role == "voter"}
        found = {
            "old": self.world.store.find("microk8s", "1.35/stable", "arm64").revision,
            "new": _good(self.world).revision,
            "bad": _bad(self.world),
        }
        found["nodes"] = {
            number: {
                "revision": machine.snaps["microk8s"].revision,
                "version": cluster.nodes[machine.hostname].kubelet_version,
                "cordoned": cluster.nodes[machine.hostname].cordoned,
                "annotations": cluster.nodes[machine.hostname].annotations,
                "ready": cluster.nodes[machine.hostname].ready == "True",
                "kinds": [change.kind for change in machine.changes],
                "voter": number in voters,
            }
            for number, machine in self.world.machines.items()
            if "microk8s" in machine.snaps and machine.hostname in cluster.nodes
        }
        return found


def _empty(root):
    """Remove what is in a machine's tree, but not the disk that may be mounted in it."""
    for path in root.iterdir():
        if path.is_mount():
            _empty(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


if __name__ == "__main__":
    world_server.serve(Server)
