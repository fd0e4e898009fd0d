"""A few simulated Pis, and short ways to speak to them."""

import dataclasses
import json
import subprocess

import pytest

from edgelab import pi

ADMIN = "/var/snap/microk8s/current/credentials/client.config"
KUBELET = "/var/snap/microk8s/current/credentials/kubelet.config"
DATA = "/var/snap/microk8s/current"


@dataclasses.dataclass
class Site:
    """Some machines of one world; a machine is named by its number."""

    world: pi.World

    def machine(self, at) -> pi.Machine:
        return self.world.machines[str(at)]

    def host(self, at) -> pi.PiHost:
        return self.machine(at).host()

    def run(self, at, *words, timeout_s=900, **options) -> subprocess.CompletedProcess[str]:
        return self.host(at).run(words, timeout_s=timeout_s, check=False, **options)

    def snap(self, at, *words, **options):
        return self.run(at, "/usr/bin/snap", *words, **options)

    def microk8s(self, at, *words, **options):
        return self.run(at, "/snap/bin/microk8s", *words, **options)

    def kubectl(self, at, *words, config=ADMIN, **options):
        limits = (f"--kubeconfig={config}", "--request-timeout=10s")
        return self.run(at, "/snap/microk8s/current/kubectl", *limits, *words, **options)

    def dqlite(self, at, statement):
        return self.run(at, "/snap/microk8s/current/bin/dqlite", "-f", "json", "k8s", statement)

    def install(self, *which, channel="1.35/stable"):
        for at in which:
            assert (
                self.snap(
                    at, "install", "microk8s", "--classic", f"--channel={channel}"
                ).returncode
                == 0
            )
            self.snap(at, "refresh", "--hold", "microk8s")
        self.wait(60)

    def mint(self, at, *options) -> str:
        text = self.microk8s(at, "add-node", "--format", "json", *options).stdout
        return json.loads(text)["urls"][0]

    def join(self, at, seed=0, *options, url=None):
        return self.microk8s(at, "join", url or self.mint(seed), *options)

    def wait(self, seconds):
        self.world.clock.advance(seconds)
        self.world.tick()

    def cluster(self, at=0):
        return self.world.clusters[self.machine(at).node.cluster]

    def roles(self, at=0) -> dict[str, str]:
        return {item.machine: item.role for item in self.cluster(at).members}

    def readiness(self, at=0) -> dict[str, str]:
        return {item.name: item.ready for item in self.cluster(at).nodes.values()}

    def has_lock(self, at, name) -> bool:
        return self.host(at).exists(f"{DATA}/var/lock/{name}")

    def arguments(self, at, name) -> str:
        return self.host(at).read(f"{DATA}/args/{name}")


@pytest.fixture
def site(tmp_path):
    """Four machines without MicroK8s."""
    made = Site(pi.World(tmp_path, pi.Clock(), seed=1))
    for number in range(4):
        made.world.add_machine(str(number))
    return made


@pytest.fixture
def single(site):
    """One machine with MicroK8s, and three without."""
    site.install(0)
    return site


@pytest.fixture
def pair(site):
    """Two control-plane nodes in one cluster; the roles are settled."""
    site.install(0, 1)
    site.join(1)
    site.wait(90)
    return site


@pytest.fixture
def trio(site):
    """Three control-plane nodes in one cluster; the roles are settled."""
    site.install(0, 1, 2)
    for at in (1, 2):
        site.join(at)
        site.wait(90)
    return site


@pytest.fixture
def quartet(trio):
    """Three control-plane nodes and a worker."""
    trio.install(3)
    trio.join(3, 0, "--worker")
    trio.wait(90)
    return trio
