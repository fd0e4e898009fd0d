"""Pages whose commands need names that a site has of its own: what they type does its work."""

import io
import pathlib
import re
import shutil
import tarfile

import pytest
import yaml

from edgecloud.host import kubectl
from edgelab import juju_commands, pi, walkthrough

REPOSITORY = pathlib.Path(__file__).parents[2]
PAGES = REPOSITORY / "docs" / "how-to"
ADMIN = "/var/snap/microk8s/current/credentials/client.config"
ARCHIVES = "/var/backups/edge-microk8s"


def text(page):
    return (PAGES / page).read_text(encoding="utf-8")


def section(page, heading):
    """The commands below one heading of a page."""
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text(page), re.M | re.S)
    return walkthrough.commands_of(found)


class Reader:
    """Somebody who follows a page, and puts the names of the own site where it has examples."""

    def __init__(self, juju, folder):
        self.juju = juju
        self.shell = juju_commands.Shell(juju, folder)
        self.names = {}

    def run(self, *commands):
        for command in commands:
            for example, own in self.names.items():
                command = command.replace(example, own)
            said = self.shell.run(command)
        return said

    def host(self, number):
        return self.juju.world.machines[str(number)].host()

    def cluster(self):
        return max(self.juju.world.clusters.values(), key=lambda cluster: len(cluster.nodes))


@pytest.fixture
def site(tmp_path):
    """A settled site of three, with somebody at the keyboard."""
    with walkthrough.model_in_order(tmp_path) as juju:
        reader = Reader(juju, REPOSITORY)
        for number in (1, 2, 3):
            reader.run(f"juju add-machine ssh:ubuntu@pi-{number}.local")
        reader.run("juju deploy ./bundles/edge-cloud.yaml --map-machines=existing", "juju status")
        yield reader


def namespaces(site):
    return {name.strip("/") for name in site.cluster().kind("namespaces")}


# --- back up and restore -------------------------------------------------------------------------

BACKUPS = "back-up-and-restore.md"


def test_given_the_page_on_backups_when_followed_then_a_deleted_namespace_comes_back(site):
    kubectl.run(site.host(0), ADMIN, "create", "namespace", "shop")
    site.run(*section(BACKUPS, "Set the schedule"))
    site.run(*section(BACKUPS, "Back up now, and look"))
    archive = next(path for path in site.host(0).glob(f"{ARCHIVES}/backup-*.tar.gz"))
    site.names["backup-20270115T030000Z.tar.gz"] = archive.rpartition("/")[2]
    kubectl.run(site.host(0), ADMIN, "delete", "namespace", "shop")
    check, restore = section(BACKUPS, "Restore objects")

    site.run(check)
    after_check = namespaces(site)
    site.run(restore)

    assert "shop" not in after_check
    assert "shop" in namespaces(site)
    assert site.host(0).exists(f"{archive}.sha256")


def test_given_the_page_on_backups_when_the_schedule_is_set_then_the_timer_has_it(site):
    site.run(*section(BACKUPS, "Set the schedule"), "juju status")
    units = [site.host(0).read(path) for path in site.host(0).glob("/etc/systemd/system/*.timer")]

    assert any("OnCalendar=Mon..Fri 03:00" in unit for unit in units)


def test_given_two_of_three_lost_when_the_page_is_followed_then_the_site_works_again(site):
    for machine in ("1", "2"):
        site.juju.power_off(machine)
    site.juju.advance(600)
    look, *steps = section(BACKUPS, "After most control planes are lost")
    plan = yaml.safe_load(site.run(look))
    site.names["acc3ca8ff5fb"] = plan["cluster-id"]
    alone = [step for step in steps if "step=adopt" not in step]

    for step in alone:
        site.run(step)
        site.juju.advance(60)
    site.run("juju status")

    assert {name: node.ready for name, node in site.cluster().nodes.items()} == {
        "pi-1": "True",
        "pi-4": "True",
    }
    assert len(site.cluster().members) == 2
    assert len(steps) == len(alone) + 1


# --- air-gap -------------------------------------------------------------------------------------

AIR_GAP = "air-gap.md"


def snap_installation(path, images="images.tar"):
    """Write what the page has its reader fetch, with the names that it lists."""
    fetched = re.findall(r"^ +snap download (\w+)(?: --channel=(\S+))?$", text(AIR_GAP), re.M)
    store, files = pi.store.Store.with_kubernetes(), {f"arm64/{images}": b"images"}
    for name, channel in fetched:
        release = store.find(name, channel or "latest/stable", "arm64")
        content = pi.store.snap_file(name, release.revision, release.version, "arm64")
        files[f"arm64/{name}_{release.revision}.snap"] = content.encode()
        files[f"arm64/{name}_{release.revision}.assert"] = pi.store.assertion(content).encode()
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


@pytest.fixture
def cut_off(tmp_path):
    """Somebody in a folder as the page leaves it, with machines that have no internet."""
    folder = tmp_path / "folder"
    shutil.copytree(REPOSITORY / "bundles", folder / "bundles")
    for name in ("charms", "lib", "tools"):
        (folder / name).symlink_to(REPOSITORY / name)
    (overlay,) = re.findall(r"^```yaml\n(.*?)^```$", text(AIR_GAP), re.M | re.S)
    (folder / "bundles" / "air-gap.yaml").write_text(overlay, encoding="utf-8")
    (mirrors,) = re.findall(r"^```json\n(.*?)^```$", text(AIR_GAP), re.M | re.S)
    (folder / "registries.json").write_text(mirrors, encoding="utf-8")
    snap_installation(folder / "bundles" / "snap-installation.tar")
    with walkthrough.model_in_order(tmp_path / "model") as juju:
        reader = Reader(juju, folder)
        reader.run(*section(AIR_GAP, "Deploy"))
        for machine in juju.world.machines.values():
            machine.uplink = False
        yield reader


def test_given_no_internet_when_the_page_is_followed_then_the_site_comes_up(cut_off):
    cut_off.run(*section(AIR_GAP, "Choose options that need nothing from outside"))
    cut_off.run(*section(AIR_GAP, "Pull further images from a mirror"))

    status = cut_off.run("juju status")

    assert "3/3 nodes ready, 3 voters" in status
    assert {"hostpath-storage", "metrics-server"} <= set(cut_off.cluster().addons)
    for number in range(3):
        hosts = cut_off.host(number).glob("/var/snap/microk8s/current/args/certs.d/*/hosts.toml")
        mirrors = {path.split("/")[-2]: cut_off.host(number).read(path) for path in hosts}
        assert "http://10.0.0.5:5000" in mirrors["registry.k8s.io"]
        assert cut_off.host(number).glob("/var/snap/microk8s/common/**/images.tar*")

    snap_installation(cut_off.shell.folder / "bundles" / "snap-installation.tar", "more.tar")
    cut_off.run(*section(AIR_GAP, "Bring further images later"), "juju status")

    for number in range(3):
        assert cut_off.host(number).glob("/var/snap/microk8s/common/etc/sideload/more.tar*")


def test_given_no_internet_and_no_archive_when_deployed_then_the_status_says_why(tmp_path):
    with walkthrough.model_in_order(tmp_path) as juju:
        reader = Reader(juju, REPOSITORY)
        reader.run("juju deploy ./bundles/single-pi.yaml")
        juju.world.machines["0"].uplink = False
        juju.advance(600)

        (unit,) = [unit for unit in juju.units.values() if unit.app == "edge-microk8s"]

    assert unit.status.name == "waiting"
    assert "store" in unit.status.message
