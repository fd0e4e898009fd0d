"""The simulated cluster that hosted nodes join."""

import base64
import hashlib
import json
import pathlib
import re
import time

import world_server

from edgelab import pi

ADMIN = "/var/snap/microk8s/current/credentials/client.config"
KUBECTL = ("/snap/microk8s/current/kubectl", f"--kubeconfig={ADMIN}")


def start(folder):
    """Return a world that was built there, served by a process of its own."""
    return world_server.World(pathlib.Path(__file__), folder)


def build(folder, names):
    """Make a control plane, and bare machines."""
    world = pi.World(folder, pi.Clock(time.time() - 4000), seed=1)
    first = world.add_machine("plane", hostname="plane").host()
    words = ("install", "microk8s", "--classic", "--channel=1.35/stable")
    first.run(("/usr/bin/snap", *words), timeout_s=900)
    for name in names:
        world.add_machine(name, hostname=name)
    for _ in range(4):
        world.clock.advance(60)
        world.tick()
    world_server.save(world)


class Server(world_server.Server):
    """What the control plane is asked to do."""

    programs = ("snap", "systemctl", "curl")

    def _run_there(self, *words):
        return self.world.machines["plane"].host().run(words, timeout_s=900).stdout

    def authority(self):
        """Return the fingerprint of the cluster's authority."""
        text = self.world.machines["plane"].host().read("/var/snap/microk8s/current/certs/ca.crt")
        found = re.search(r"-----BEGIN CERTIFICATE-----(.+?)-----END", text, re.DOTALL)
        content = base64.b64decode(found.group(1)) if found else text.encode()
        return hashlib.sha256(content).hexdigest()

    def candidate(self):
        """Return a build that the channel of nodes does not hold."""
        arch = self.world.machines["plane"].arch
        return self.world.store.find("microk8s", "1.35/candidate", arch).revision

    def offer(self):
        text = self._run_there("/snap/bin/microk8s", "add-node", "--format", "json")
        return json.loads(text)["urls"][0]

    def workers(self):
        self.world.tick()
        items = json.loads(self._run_there(*KUBECTL, "get", "nodes", "-o", "json"))["items"]
        names = (one["metadata"]["name"] for one in items)
        return sorted(name for name in names if name != "plane")

    def let_go(self, name):
        if name in self.workers():
            self._run_there(*KUBECTL, "drain", name, "--ignore-daemonsets", "--force")
            self._run_there("/snap/bin/microk8s", "remove-node", name, "--force")


if __name__ == "__main__":
    world_server.serve(Server)
