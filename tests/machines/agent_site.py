"""Containers with real systemd that are three nodes of one simulated cluster."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import time
import zlib

import agent_zipapp
from edgecloud import host
from edgecloud.agent import exchange, journal, settings
from edgecloud.host import rejoin_offer
from edgecloud.lxd import guest, images, instances, storage
from edgecloud.rollout import inventory, messages, plan

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path("/var/cache/edge-cloud-tests")
RELEASE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-yaml,openssl"
QUICKER = {
    "NODE_READY_AFTER_INSTALL": 2,
    "NODE_READY_AFTER_RESTART": 1,
    "NODE_READY_AFTER_BOOT": 2,
    "NODE_UNKNOWN_AFTER": 20,
    "ROLES_EVERY": 2,
}
WAKE = """\
import pathlib, sys, time

sys.path.insert(0, "/usr/lib/edge-agent/edge-agent.pyz")

from edgecloud import host
from edgecloud.agent import agent, effects, settings

effects._STEADY_S, effects._PAUSE_S = 2, 1
control = pathlib.Path({control!r})


def boundary(name):
    left = (control / "left").read_text().splitlines()
    if name in left:
        (control / "at").write_text(name)
        time.sleep(3600)


machine = host.this()
agent.Agent(machine, settings.read(machine), boundary=boundary).wake()
"""
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
    *snap.microk8s*) exec /usr/lib/edge-agent/systemctl "$@" ;;
    *) exec /usr/bin/systemctl.real "$@" ;;
esac
"""


@dataclasses.dataclass
class Nodes:
    """The containers, and the world that their stand-ins share."""

    api: object
    folder: pathlib.Path
    progress: object
    serial: int = 0

    def world(self, *words):
        """Look at the world, or change it."""
        command = (sys.executable, str(ROOT / "tests/machines/agent_world.py"))
        done = subprocess.run(
            (*command, str(self.folder), *words),
            env={**os.environ, "PYTHONPATH": str(self.folder / "lib")},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shown(self):
        return json.loads(self.world("show"))

    def tree(self, at):
        """Return the node's own files, from outside."""
        return host.LocalHost(self.folder / "world" / "machines" / str(at))

    def control(self, at):
        return self.folder / f"control-{at}"

    def name(self, at):
        return f"node-{at}"

    def start(self, at):
        instances.ensure_running(self.api, self.name(at), timeout_s=60)

    def cut(self, at):
        """Pull the plug of a container and of what its stand-ins play, then put it in."""
        instances.ensure_stopped(self.api, self.name(at), force=True, timeout_s=60)
        self.world("off", str(at))
        self.world("on", str(at))
        self.start(at)

    def run(self, at, *words):
        return guest.run(self.api, self.name(at), words, timeout_s=120)

    def plan(self, **changes):
        shown = self.shown()["0"]
        releases = {
            minor: {"revision": {"arm64": int(shown[which])}}
            for minor, which in (("1.35", "old"), ("1.36", "new"))
        }
        document = {
            "apiVersion": plan.API_VERSION,
            "kind": plan.KIND,
            "id": "p1",
            "expires": "2035-02-01T00:00:00Z",
            "windows": "always",
            "targets": {"kubernetes": {"to": "1.36", "releases": releases}},
            "canary": {"name": "canary", "size": "1", "soak": "5s"},
            "floors": {"free-mib": 0},
            "drain": {"timeout": "20s"},
            "deadlines": {"validate": "20s"},
            **changes,
        }
        return plan.read(document)

    def order(self, at, verb, accepted, token=0):
        self.serial += 1
        given = messages.Order(
            (1, self.serial), messages.Verb(verb), accepted.digest, "kubernetes/1.36",
            expires=int(time.time()) + 3600, token=token,
        )  # fmt: skip
        member = inventory.Member(f"pi-{at}", role="control-plane", voter=True, version="v1.35.2")
        exchange.write_inbox(self.tree(at), exchange.Inbox(given, accepted, member))

    def node(self, at):
        return journal.Journal(self.tree(at)).node

    def upgrade(self, at, accepted, boundaries, ends, *, token=0, timeout_s=240):
        """Order and grant a node's upgrade, cutting its power once at each of the boundaries."""
        left = list(boundaries)
        self._allow(at, left)
        self.order(at, "prepare", accepted, token)
        deadline, seen = time.monotonic() + timeout_s, ""
        while time.monotonic() < deadline:
            time.sleep(0.3)
            reached = self._reached(at)
            if reached:
                left.remove(reached)
                self._allow(at, left)
                self.progress(f"power of pi-{at} cut {reached}; {len(left)} boundaries to come")
                self.cut(at)
                continue
            found = self.node(at)
            state = found.state.value if found else "idle"
            if state == "waiting" and seen != state:
                self.order(at, "grant", accepted, token)
            seen = state
            if state in ends and not left and found.token == token:
                return found
        log = self.run(at, "journalctl", "-u", "edge-agent", "-n", "30", "--no-pager").stdout
        raise AssertionError(f"{self.node(at)}\nnot reached: {left}\n{log}")

    def _allow(self, at, left):
        folder = self.control(at)
        (folder / "left.new").write_text("\n".join(left))
        (folder / "left.new").replace(folder / "left")
        (folder / "at").unlink(missing_ok=True)

    def _reached(self, at):
        try:
            return (self.control(at) / "at").read_text()
        except FileNotFoundError:
            return ""


def image(folder, progress):
    """Return the image's file, made by debootstrap once and kept outside the repository."""
    kept = CACHE / f"agent-{RELEASE}-{zlib.crc32(PACKAGES.encode()):08x}.tar.gz"
    if kept.exists():
        return kept
    progress("making the image by debootstrap; it is kept for the next run")
    CACHE.mkdir(parents=True, exist_ok=True)
    root = folder / "rootfs"
    command = ("debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(root))
    subprocess.run(command, check=True, capture_output=True, timeout=420)
    metadata = folder / "metadata.yaml"
    architecture = os.uname().machine
    metadata.write_text(f"architecture: {architecture}\ncreation_date: 1700000000\n")
    part = kept.with_suffix(".part")
    with tarfile.open(part, "w:gz", compresslevel=1) as tar:
        tar.add(metadata, arcname="metadata.yaml")
        tar.add(root, arcname="rootfs")
    shutil.rmtree(root)
    part.replace(kept)
    return kept


def make(api, folder, progress, count=3):
    """Make the cluster, the containers and their agents."""
    made = Nodes(api, folder, progress)
    shutil.copytree(ROOT / "lib", folder / "lib", ignore=shutil.ignore_patterns("tests"))
    _quicken(folder / "lib/edgelab/pi/durations.py")
    made.world("build", str(count))
    agent_zipapp.main([str(folder / "edge-agent.pyz")])
    fingerprint, _ = images.ensure(api, image(folder, progress))
    storage.ensure(api, "nodes", "dir", {})
    for at in range(count):
        _prepare(made, at)
        _create(made, at, fingerprint)
        made.start(at)
    for at in range(count):
        _settle(made, at)
        progress(f"pi-{at} runs real systemd and the agent's units")
    return made


def _quicken(path):
    text = path.read_text()
    for name, value in QUICKER.items():
        lines = [f"{name} = {value}.0" if row.startswith(f"{name} =") else row
                 for row in text.splitlines()]  # fmt: skip
        text = "\n".join(lines) + "\n"
    path.write_text(text)


def _prepare(made, at):
    """Lay the node's settings, its way back and its programs where the container finds them."""
    made.control(at).mkdir()
    (made.control(at) / "left").write_text("")
    tree = made.tree(at)
    settings.write(tree, settings.Settings(f"pi-{at}", f"pi-{at}", clock="kept"))
    url = made.world("offer", str((at + 1) % 3)).strip()
    rejoin_offer.write(tree, rejoin_offer.Offer((url,), time.time() + 1e6))


def _create(made, at, fingerprint):
    disks = {
        name: {"type": "disk", "source": str(path), "path": str(path)}
        for name, path in (
            ("library", made.folder / "lib"),
            ("world", made.folder / "world"),
            ("control", made.control(at)),
            ("programs", made.folder / f"programs-{at}"),
        )
    }
    disks["root"] = {"type": "disk", "path": "/", "pool": "nodes"}
    instances.create(
        made.api,
        instances.Plan(
            made.name(at),
            instances.Source.image(fingerprint),
            profiles=(),
            config={"security.privileged": "true", "security.nesting": "true"},
            devices=disks,
        ),
    )


def _settle(made, at):
    """Put the agent and the stand-ins in place; systemd is the real one."""
    programs, root = made.folder / f"programs-{at}", made.folder / f"world/machines/{at}"
    _until_up(made, at)
    steps = f"""
set -e
mkdir -p /usr/lib/edge-agent /etc/edge-agent
install -m 755 {programs}/snap {programs}/curl {programs}/vcgencmd /usr/bin/
install -m 755 {programs}/systemctl /usr/lib/edge-agent/systemctl
mv /usr/bin/systemctl /usr/bin/systemctl.real
for path in /snap /var/snap /var/lib/edge-agent; do
    rm -rf $path; mkdir -p {root}$path; ln -sfn {root}$path $path
done
"""
    _shell(made, at, steps)
    guest.push(made.api, made.name(at), "/usr/bin/systemctl", SYSTEMCTL.encode(), mode=0o755)
    content = (made.folder / "edge-agent.pyz").read_bytes()
    guest.push(made.api, made.name(at), "/usr/lib/edge-agent/edge-agent.pyz", content, mode=0o755)
    text = WAKE.format(control=str(made.control(at)))
    guest.push(made.api, made.name(at), "/usr/lib/edge-agent/wake.py", text.encode())
    steps = """
set -e
mkdir -p /etc/systemd/system/edge-agent.service.d /etc/systemd/system/edge-agent.timer.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/python3 /usr/lib/edge-agent/wake.py\\n' \
    > /etc/systemd/system/edge-agent.service.d/test.conf
printf '[Timer]\\nOnBootSec=1s\\nOnUnitInactiveSec=2s\\nAccuracySec=100ms\\n' \
    > /etc/systemd/system/edge-agent.timer.d/test.conf
cd /usr/lib/edge-agent
PYTHONPATH=edge-agent.pyz python3 -c \
    'from edgecloud import host; from edgecloud.agent import units; units.ensure(host.this())'
"""
    _shell(made, at, steps)
    if at:
        stop_metrics(made, at)


def stop_metrics(made, at):
    """Spare a container what it tells every minute: each stand-in that is asked takes a second."""
    _shell(made, at, "systemctl disable --now edge-agent-metrics.timer")


def _until_up(made, at):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done = made.run(at, "/bin/systemctl", "is-system-running")
        if done.stdout.strip() in ("running", "degraded"):
            return
        time.sleep(0.3)
    raise AssertionError(f"systemd does not come up: {done}")


def _shell(made, at, text):
    done = made.run(at, "/bin/sh", "-c", text)
    assert done.exit_code == 0, done
