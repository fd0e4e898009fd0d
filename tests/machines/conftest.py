"""What the tests on real machines share: daemons that start here and leave nothing behind."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "charms/edge-lxd/src"))
sys.path.append(str(pathlib.Path(__file__).parents[2] / "charms/edge-monitor/tests/unit"))

import lxd_site
import monitor_site
import real_lxd

from edgecloud.lxd import images, instances, storage

_NEEDED = ("lxd", "nft", "iptables", "dnsmasq", "mksquashfs", "busybox", "mkfs.btrfs", "openssl")


class Progress:
    """Says what goes on, with the seconds since the start."""

    def __init__(self, config):
        self._reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self._start = time.monotonic()

    def __call__(self, text):
        with self._capture.global_and_fixture_disabled():
            self._reporter.ensure_newline()
            self._reporter.write_line(f"{time.monotonic() - self._start:6.1f} s  {text}")

    def pytest_runtest_logreport(self, report):
        """Give each test a line of its own."""
        if report.when == "call" or report.failed:
            name = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
            self(f"{report.outcome}: {name}")


@pytest.fixture(scope="session")
def progress(request):
    """Return a function that prints a line at once."""
    made = Progress(request.config)
    request.config.pluginmanager.register(made)
    return made


@pytest.fixture(scope="session")
def site(progress):
    """Return the site on which daemons start; see that nothing of it is left in the end."""
    missing = [path for path in _NEEDED if shutil.which(path) is None]
    if os.geteuid() or missing:
        pytest.exit(f"Needs root and apt-get install {lxd_site.PACKAGES}; missing: {missing}", 2)
    with lxd_site.site() as made:
        yield made
        progress("removing all daemons")
    progress("all daemons removed; looking for what they left")
    assert made.left() == {}
    progress("nothing left")


@pytest.fixture(scope="session")
def image_files(site):
    """Return a tiny system as one tarball, and as metadata and a squashed root file system."""
    folder = site.folder / "image"
    folder.mkdir()
    root = lxd_site.busybox_tree(folder)
    unified = lxd_site.tarball(
        site.folder / "unified.tar", lxd_site.image_metadata(folder, "one file"), root
    )
    metadata = lxd_site.tarball(
        site.folder / "metadata.tar", lxd_site.image_metadata(folder, "two files")
    )
    rootfs = site.folder / "rootfs.squashfs"
    subprocess.run(
        ("mksquashfs", root, rootfs, "-quiet", "-all-root"),
        check=True,
        capture_output=True,
        timeout=60,
    )
    return unified, metadata, rootfs


@pytest.fixture(scope="session")
def lone(site, image_files, progress):
    """Return a daemon by itself, with a pool ``plain`` and an image ``tiny``."""
    progress("starting one daemon")
    made = site.daemon("lone")
    storage.ensure(made.api, "plain", "dir", {})
    fingerprint, _ = images.ensure(made.api, image_files[0])
    images.ensure_alias(made.api, "tiny", fingerprint)
    progress("one daemon serves")
    return made


@pytest.fixture
def lxd(lone):
    """Return a client of the lone daemon."""
    return lone.api


@pytest.fixture(scope="session")
def three(site, image_files, progress):
    """Return the three members of a cluster, with a pool ``plain`` and an image ``tiny``."""
    progress("forming a cluster of three")
    made = site.cluster("m1", "m2", "m3")
    api = made[0].api
    storage.ensure(api, "plain", "dir", {}, members=[one.name for one in made])
    fingerprint, _ = images.ensure(api, image_files[0])
    images.ensure_alias(api, "tiny", fingerprint)
    progress("the cluster of three serves")
    return made


@pytest.fixture(scope="session")
def make_cloud(site, tmp_path_factory):
    """Return a function that makes units of the charm on real daemons, and lets them settle."""
    made = []

    def make(pis, **config):
        cloud = real_lxd.RealSite(tmp_path_factory.mktemp("cloud"), site, **config)
        made.append(cloud)
        for _ in range(pis):
            cloud.add_pi()
        cloud.settle()
        return cloud

    yield make
    for cloud in made:
        cloud.close()


@pytest.fixture(scope="session")
def cloud(make_cloud, progress):
    """Return the site of three units that the tests of the charm share."""
    made = make_cloud(3)
    progress("the charm has formed a cluster of three")
    return made


@pytest.fixture(scope="session")
def tiny(cloud, image_files):
    """Return the alias of a tiny image in the shared cloud."""
    fingerprint, _ = images.ensure(cloud.api(cloud.leader()), image_files[0])
    images.ensure_alias(cloud.api(cloud.leader()), "tiny", fingerprint)
    return "tiny"


@pytest.fixture
def instance_on(cloud, tiny):
    """Return a function that makes a running instance on a unit's member of the shared cloud."""
    made = []

    def make(name, unit):
        api = cloud.api(unit)
        plan = real_lxd.plan(name, tiny, member=unit.replace("/", "-"))
        instances.create(api, plan, timeout_s=60)
        made.append(name)
        instances.ensure_running(api, name)

    yield make
    for name in made:
        instances.ensure_absent(cloud.api(cloud.leader()), name)


@pytest.fixture(scope="session")
def monitor_programs():
    """See that the programs of the monitoring are there."""
    missing = [name for name in monitor_site.PROGRAMS if shutil.which(name) is None]
    if os.geteuid() or missing:
        needed = f"apt-get install {monitor_site.PACKAGES}"
        pytest.exit(f"Needs root and {needed}; missing: {missing}", 2)
