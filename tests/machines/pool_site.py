"""A daemon with a bridge, a pool with quotas and a small system that takes its address by DHCP."""

import contextlib
import dataclasses
import pathlib
import secrets

import lxd_site

import pool_plan
import pool_profile
import pools
from edgecloud.lxd import guest, images, instances, networks, profiles, storage

APPLETS = (
    "cp",
    "dd",
    "head",
    "httpd",
    "ifconfig",
    "kill",
    "ls",
    "mkdir",
    "mv",
    "nc",
    "ps",
    "rm",
    "stat",
    "test",
    "touch",
)
BOOT = """\
#!/bin/sh
mkdir -p /var/run
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -s /sbin/lease -b -q -t 20 -T 1 > /var/run/udhcpc 2>&1
[ -x /etc/app ] && /etc/app &
exit 0
"""
LEASE = """\
#!/bin/sh
[ "$1" = bound ] && ip address add $ip/$mask dev eth0
exit 0
"""
SHAPE = pool_profile.Shape(cpu=1, memory="512MiB", disk="300MiB")


@dataclasses.dataclass
class PoolSite:
    """The daemon, and the pool of the unit ``edge-lxd/0`` on it."""

    daemon: lxd_site.RealDaemon
    bridge: str
    subnet: str
    unit: str = "edge-lxd/0"

    @property
    def api(self):
        return self.daemon.api

    def pool(self, shape=SHAPE):
        ground = pools.ground(self.api)
        return pools.Pool(self.api, self.unit, shape, "node", ground)

    def converge(self, size, shape=SHAPE):
        """Do what a hook does; nothing of the pool is in a cluster, so surplus may go at once."""
        pool = self.pool(shape)
        plan = pool_plan.plan(self.unit, size, pools.survey(self.api, self.unit), pool.ground)
        outcome = pool.build(plan)
        return dataclasses.replace(outcome, changed=outcome.changed + pool.remove(plan.surplus))

    def address(self, name):
        """Return the address that an instance really has."""

        def found():
            return instances.state(self.api, name).addresses.get("eth0", ())

        return lxd_site.until(lambda: [one for one in found() if "." in one])[0]

    def run(self, name, command):
        return guest.run(self.api, name, ("sh", "-c", command), timeout_s=60)

    def started_at(self, name):
        """Return when an instance's first program started, in ticks since the machine's boot."""
        pid = self.api.get(f"/1.0/instances/{name}/state")["pid"]
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])

    def clear(self):
        pools.remove_all(self.api, self.unit)


def image(folder, *, app=""):
    """Return an image's file: busybox that boots, takes an address, and runs an app if given."""
    folder.mkdir()
    root = lxd_site.busybox_tree(folder)
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    scripts = {"sbin/boot": BOOT, "sbin/lease": LEASE, **({"etc/app": app} if app else {})}
    for path, text in scripts.items():
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    inittab = "::sysinit:/sbin/boot\n::shutdown:/bin/true\n"
    (root / "etc/inittab").write_text(inittab)
    (root / "var").mkdir()
    return lxd_site.tarball(
        folder / "image.tar", lxd_site.image_metadata(folder, "a small node"), root
    )


def make(site, name, alias="node", app=""):
    """Start a daemon that has what a host of nodes has."""
    real = site.daemon(name, listens=False)
    bridge = f"{site.bridge}{name[:1]}"
    subnet = f"10.{100 + secrets.randbelow(100)}.{secrets.randbelow(250)}.1/24"
    config = {"ipv4.address": subnet, "ipv4.nat": "false", "ipv6.address": "none"}
    networks.ensure(real.api, bridge, config)
    storage.ensure(real.api, "disk", "btrfs", {"size": "3GiB"})
    devices = {
        "root": {"type": "disk", "path": "/", "pool": "disk"},
        "eth0": {"type": "nic", "network": bridge, "name": "eth0"},
    }
    profiles.ensure(real.api, "default", {}, devices)
    made = PoolSite(real, bridge, subnet)
    fingerprint, _ = images.ensure(real.api, image(site.folder / f"image-{name}", app=app))
    images.ensure_alias(real.api, alias, fingerprint)
    return made


@contextlib.contextmanager
def site_of(site, name, **image):
    """Yield such a daemon, and take its bridge away in the end."""
    made = make(site, name, **image)
    try:
        yield made
    finally:
        made.clear()
        profiles.ensure(made.api, "default", {}, {})
        networks.ensure_absent(made.api, made.bridge)
