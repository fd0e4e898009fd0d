"""Make and change the simulated cluster that hosted nodes join. Run as a program."""

import json
import pathlib
import sys
import time

from edgelab import pi
from edgelab.pi import executable

PROGRAMS = ("snap", "systemctl", "curl")
ADMIN = "/var/snap/microk8s/current/credentials/client.config"
KUBECTL = ("/snap/microk8s/current/kubectl", f"--kubeconfig={ADMIN}")


def run(found, *words):
    return found.run(words, timeout_s=900).stdout


def build(folder, names):
    """Make a control plane, and bare machines; print the cluster's authority."""
    import base64
    import hashlib
    import re

    world = pi.World(folder / "world", pi.Clock(time.time() - 4000), seed=1)
    first = world.add_machine("plane", hostname="plane").host()
    run(first, "/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
    for name in names:
        world.add_machine(name, hostname=name)
    for _ in range(4):
        world.clock.advance(60)
        world.tick()
    text = first.read("/var/snap/microk8s/current/certs/ca.crt")
    found = re.search(r"-----BEGIN CERTIFICATE-----(.+?)-----END", text, re.DOTALL)
    content = base64.b64decode(found.group(1)) if found else text.encode()
    world.clock = pi.RealClock()
    world.speed = 0.01
    world.save()
    for name in names:
        pi.install(folder / "programs" / name, folder / "world", name, PROGRAMS)
    print(hashlib.sha256(content).hexdigest())


def workers(found):
    items = json.loads(run(found, *KUBECTL, "get", "nodes", "-o", "json"))["items"]
    names = (one["metadata"]["name"] for one in items)
    return sorted(name for name in names if name != "plane")


def main(folder, what, *words):
    sys.executable = "/usr/bin/python3"
    if what == "build":
        build(folder, words)
        return
    home = folder / "world"
    with executable._locked(home), executable._opened(home) as world:
        world.tick()
        first = world.machines["plane"].host()
        if what == "offer":
            text = run(first, "/snap/bin/microk8s", "add-node", "--format", "json")
            print(json.loads(text)["urls"][0])
        elif what == "workers":
            print(json.dumps(workers(first)))
        elif what == "let-go" and words[0] in workers(first):
            run(first, *KUBECTL, "drain", words[0], "--ignore-daemonsets", "--force")
            run(first, "/snap/bin/microk8s", "remove-node", words[0], "--force")


main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
