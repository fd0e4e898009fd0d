"""Containers with real systemd and the agent, which stand-ins tell what the machine would."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tarfile
import time
import zlib

from edgecloud.lxd import guest, images, instances, snapshots, storage

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path("/var/cache/edge-cloud-tests")
RELEASE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-yaml,openssl"
HOME = "/srv/home"
"""Where a container finds its machine and its programs, whatever world they are in just now."""
WAKE = f"""\
import pathlib, sys, time

sys.path.insert(0, "/usr/lib/edge-agent/edge-agent.pyz")

from edgecloud import host
from edgecloud.agent import agent, effects, settings

home = pathlib.Path("{HOME}")
effects._STEADY_S, effects._PAUSE_S = float((home / "steady").read_text()), 1


def boundary(name):
    with (home / "passed").open("a") as file:
        file.write(name + "\\n")
    left = (home / "left").read_text().splitlines()
    if name in left:
        (home / "at.new").write_text(name)
        (home / "at.new").rename(home / "at")
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
SETTLE = f"""
set -e
mkdir -p /usr/lib/edge-agent /etc/edge-agent
for program in snap curl vcgencmd; do ln -sfn {HOME}/programs/$program /usr/bin/$program; done
ln -sfn {HOME}/programs/systemctl /usr/lib/edge-agent/systemctl
mv /usr/bin/systemctl /usr/bin/systemctl.real
cd /srv/library
python3 -c '
import pathlib
from edgecloud.agent import archive
target = pathlib.Path("/usr/lib/edge-agent/edge-agent.pyz")
target.write_bytes(archive.build(pathlib.Path.cwd()))
target.chmod(0o755)'
for unit in systemd-udevd systemd-udev-trigger systemd-logind getty.target \\
        apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer; do
    systemctl.real mask $unit
done
systemctl.real set-default basic.target
"""
UNITS = f"""
set -e
cd /etc/systemd/system
mkdir edge-agent.service.d edge-agent.timer.d edge-agent-metrics.timer.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/python3 /usr/lib/edge-agent/wake.py\\n' \\
    > edge-agent.service.d/test.conf
printf '[Timer]\\nOnBootSec=1s\\nOnUnitInactiveSec=1s\\nAccuracySec=100ms\\n' \\
    > edge-agent.timer.d/test.conf
printf '[Timer]\\nOnUnitActiveSec=5s\\nAccuracySec=100ms\\n' > edge-agent-metrics.timer.d/test.conf
cd /usr/lib/edge-agent
PYTHONPATH=edge-agent.pyz python3 -c \\
    'from edgecloud import host; from edgecloud.agent import units; units.ensure(host.this())'
systemctl.real stop edge-agent.path edge-agent.timer edge-agent
systemctl.real disable --now edge-agent-metrics.timer
for path in /snap /var/snap /var/lib/edge-agent; do
    rm -rf $path; ln -sfn {HOME}/machine$path $path
done
sync
"""


def image(folder, progress):
    """Return the image's file, made by debootstrap once and kept outside the repository."""
    kept = CACHE / f"agent-{RELEASE}-{zlib.crc32(PACKAGES.encode()):08x}.tar.gz"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _debootstrap(folder, kept, progress)
    return kept


def _debootstrap(folder, kept, progress):
    progress("making the image by debootstrap; it is kept for the next run")
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


def name(at):
    return f"node-{at}"


def make(api, folder, progress, count):
    """Make containers that run; the first is prepared, the others are copies of it.

    Args:
        api: the daemon.
        folder: holds the worlds, and a home for each container.
        progress: told what goes on.
        count: how many.
    """
    shutil.copytree(ROOT / "lib", folder / "library", ignore=shutil.ignore_patterns("tests"))
    fingerprint, _ = images.ensure(api, image(folder, progress))
    storage.ensure(api, "nodes", "btrfs", {"size": "3GiB"})
    _create(api, folder, 0, instances.Source.image(fingerprint))
    progress("the image is in place")
    instances.ensure_running(api, name(0), timeout_s=60)
    _settle(api)
    instances.ensure_stopped(api, name(0), force=True, timeout_s=60)
    snapshots.ensure(api, name(0), "ready")
    for at in range(1, count):
        _create(api, folder, at, instances.Source.snapshot(name(0), "ready"))
    progress("the containers have real systemd and the agent's units")


def _create(api, folder, at, source):
    places = {
        "/srv/library": folder / "library",
        str(folder / "worlds"): folder / "worlds",
        HOME: folder / "homes" / str(at),
    }
    disks = {
        f"disk{number}": {"type": "disk", "source": str(source), "path": path, "recursive": "true"}
        for number, (path, source) in enumerate(places.items())
    }
    disks["root"] = {"type": "disk", "path": "/", "pool": "nodes"}
    config = {"security.privileged": "true", "security.nesting": "true"}
    plan = instances.Plan(name(at), source, profiles=(), config=config, devices=disks)
    instances.create(api, plan)


def _settle(api):
    """Put the agent and the stand-ins in place; systemd is the real one."""
    _until_up(api)
    _shell(api, SETTLE)
    guest.push(api, name(0), "/usr/bin/systemctl", SYSTEMCTL.encode(), mode=0o755)
    guest.push(api, name(0), "/usr/lib/edge-agent/wake.py", WAKE.encode())
    _shell(api, UNITS)


def _until_up(api):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done = guest.run(api, name(0), ("/bin/systemctl", "is-system-running"), timeout_s=30)
        if done.stdout.strip() in ("running", "degraded"):
            return
        time.sleep(0.3)
    raise AssertionError(f"systemd does not come up: {done}")


def _shell(api, text):
    done = guest.run(api, name(0), ("/bin/sh", "-c", text), timeout_s=120)
    assert done.exit_code == 0, done
