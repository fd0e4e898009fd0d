"""Real LXD daemons on this machine, by a folder and a loopback address each, and their removal."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import logging
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import IO

from edgecloud import host
from edgecloud.lxd import client, cluster, daemon, errors, instances, networks, server

logger = logging.getLogger(__name__)

PROGRAM = "/usr/bin/lxd"
RESTART_S = 0.2
"""What passes before one that failed is started again."""
PACKAGES = (
    "lxd lxd-client iptables nftables btrfs-progs dnsmasq-base busybox-static squashfs-tools"
)

# LXD turns it on with its first bridge.
FORWARDING = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
LOCKS = pathlib.Path("/run/lock")


@dataclasses.dataclass
class RealDaemon:
    """A daemon of the site's own."""

    name: str
    address: str
    at: daemon.Daemon
    log: pathlib.Path
    process: subprocess.Popen[bytes] | None = None
    _is_wanted: bool = False

    @property
    def folder(self) -> pathlib.Path:
        return pathlib.Path(self.at.folder)

    @property
    def api(self) -> client.Client:
        return daemon.connect(host.LocalHost(), self.at)

    def launch(self) -> None:
        """Start it and return at once; if it fails later, it is started again, as systemd does."""
        self._is_wanted = True
        self.process = subprocess.Popen(
            (PROGRAM, "--group", "root", "--logfile", str(self.log)),
            env={**os.environ, "LXD_DIR": self.at.folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        threading.Thread(target=self._tend, args=(self.process,), daemon=True).start()

    def _tend(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        time.sleep(RESTART_S)
        if code != 0 and self._is_wanted and self.process is process:
            logger.warning("%s ended with %d, and is started again", self.name, code)
            self.launch()

    def start(self) -> None:
        """Start it and return when it serves."""
        self.launch()
        daemon.wait_ready(host.LocalHost(), self.at, timeout_s=60)

    def serves(self) -> bool:
        """Return whether somebody listens at its socket."""
        with contextlib.suppress(errors.LxdError):
            self.api.endpoint.open(1).close()
            return True
        return False

    def kill(self) -> None:
        """End it as a power cut would; containers live on."""
        self._is_wanted = False
        if self.process:
            self.process.kill()
            self.process.wait(10)

    def terminate(self) -> None:
        """Ask it to end."""
        self._is_wanted = False
        if self.process:
            self.process.terminate()

    def stop(self) -> None:
        """End it in order, or by force: without a quorum it ignores the signal."""
        self.terminate()
        if self.process:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()

    def start_anew(self, *, by_force: bool) -> bool:
        """End it and start it while its instances run on. Return whether it would end."""
        if by_force:
            self.kill()
        self.terminate()
        try:
            if self.process:
                self.process.wait(5)
        except subprocess.TimeoutExpired:
            return False
        self.launch()
        return True

    def shut_down(self) -> None:
        """End it as the machine's own shutdown does: its instances are stopped first."""
        self._is_wanted = False
        command = (PROGRAM, "shutdown", "--timeout=60")
        env = {**os.environ, "LXD_DIR": self.at.folder}
        subprocess.run(command, env=env, check=True, capture_output=True, timeout=90)
        if self.process:
            self.process.wait(30)

    def power_off(self) -> None:
        """End it, and let go of its disks, as a machine that is switched off does."""
        self.shut_down()
        for mount in reversed(_mount_points()):
            if mount.startswith(f"{self.folder}/storage-pools/"):
                subprocess.run(("umount", mount), check=True, timeout=30)
        _free_loops(f"{self.folder}/")

    def remove(self) -> None:
        """Take it and its data off the machine, as removing the snap does."""
        # One that has just left its cluster hangs up on who asks it to shut down, and does.
        with contextlib.suppress(subprocess.CalledProcessError):
            self.shut_down()
        self.stop()
        # One that left its cluster starts anew by itself; snapd ends all that a snap started.
        for pid in _serving(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _await(lambda: not _serving(self.folder))
        own = {f"{self.folder}/devlxd", f"{self.folder}/shmounts"}
        # A daemon that left its cluster started anew, and mounted its own once more.
        for mount in [one for one in _mount_points() if one in own]:
            subprocess.run(("umount", mount), check=True, timeout=30)
        shutil.rmtree(self.folder, ignore_errors=not self.folder.exists())

    def sql(self, statement: str) -> None:
        """Change the cluster's database behind LXD's back."""
        subprocess.run(
            (PROGRAM, "sql", "global", statement),
            env={**os.environ, "LXD_DIR": self.at.folder},
            check=True,
            capture_output=True,
            timeout=30,
        )


class Site:
    """All daemons of a test run, and everything that they left on the machine."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(3)
        # Short, because the kernel takes no long names for sockets.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"lxd-{self.id}-", dir="/var/tmp"))
        self.folder.chmod(0o711)
        self.bridge = f"lxdt{self.id}"
        self._octet, self._claim = _own_octet()
        self._daemons: list[RealDaemon] = []
        self._groups: set[pathlib.Path] = set()
        self._others = _beside_others()

    def daemon(self, name: str, *, listens: bool = True, starts: bool = True) -> RealDaemon:
        """Start a daemon, unless it is to be started later; have it listen if wanted."""
        folder = self.folder / f"{len(self._daemons)}"
        folder.mkdir(mode=0o711)
        made = RealDaemon(
            name=name,
            address=f"127.{self._octet}.77.{len(self._daemons) + 1}:8443",
            at=daemon.Daemon(PROGRAM, str(folder)),
            log=self.folder / f"{name}.log",
        )
        self._daemons.append(made)
        if starts:
            made.start()
        if listens:
            server.ensure_config(made.api, {"core.https_address": made.address})
        return made

    def cluster(self, *names: str) -> list[RealDaemon]:
        """Start daemons and make them a cluster."""
        first, *others = (self.daemon(name, listens=name == names[0]) for name in names)
        cluster.bootstrap(first.api, first.name)
        for other in others:
            self.join(first, other)
        return [first, *others]

    def join(self, first: RealDaemon, other: RealDaemon) -> None:
        """Have a daemon join the cluster of another under its own name."""
        token = cluster.mint(first.api, other.name)
        daemon.join(host.LocalHost(), other.at, daemon.Joining(token, other.address))

    def remove(self) -> None:
        """End and remove everything of this site, whatever state it is in."""
        for real in self._daemons:
            _empty(real)
        # All at once: who is last has no quorum, and would take its whole time to be killed.
        for real in self._daemons:
            real.terminate()
        for real in self._daemons:
            real.stop()
        self._kill_leftovers()
        for mount in reversed(self._mounts()):
            subprocess.run(("umount", "-l", mount), check=False, timeout=30)
        _free_loops(str(self.folder))
        for link in _links():
            if link.startswith(self.bridge):
                subprocess.run(("ip", "link", "delete", link), check=False, timeout=30)
        _drop_rules(self.bridge)
        _last_restores_forwarding(self._others)
        self._claim.close()
        shutil.rmtree(self.folder)

    def left(self, of: RealDaemon | None = None) -> dict[str, set[str]]:
        """Return what of this site, or of one of its daemons, is on the machine, by kind."""
        mine = f"{of.folder if of else self.folder}/"
        family = _family(mine) | (_serving(of.folder) if of else set())
        groups = {group for pid in family for group in _groups(pid)}
        groups |= set() if of else self._groups
        found = {
            "processes": {_command(pid) for pid in family},
            "mounts": {mount for mount in _mount_points() if mount.startswith(mine)},
            "links": {link for link in _links() if link.startswith(self.bridge)},
            "rules": {line for line in _rules() if self.bridge in line},
            "loops": {line for line in _loops() if mine in line},
            "groups": {str(group) for group in groups if group.exists()},
        }
        return {kind: traces for kind, traces in found.items() if traces}

    def _mounts(self) -> list[str]:
        return [mount for mount in _mount_points() if mount.startswith(f"{self.folder}/")]

    def _kill_leftovers(self) -> None:
        """Kill the monitors and name servers of this site with all that they started."""
        groups = {group for pid in _family(str(self.folder)) for group in _groups(pid)}
        for pid in sorted(_family(str(self.folder)), reverse=True):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _await(lambda: not _family(str(self.folder)))
        _await(lambda: not any(_is_in_use(group) for group in groups))
        self._groups |= groups


def _own_octet() -> tuple[int, IO[str]]:
    """Claim loopback addresses that no other test run on this machine uses.

    Returns:
        the second number of the addresses, and the file that claims it while it is open.
    """
    for octet in range(1, 251):
        claim = (LOCKS / f"edge-cloud-127.{octet}").open("a+")
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return octet, claim
        claim.close()
    raise AssertionError("250 test runs at once")


def _beside_others() -> IO[str]:
    """Note how the machine forwards, unless another test run is there and has noted it."""
    lock = (LOCKS / "edge-cloud-forwarding").open("a+")
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(FORWARDING.read_text())
        lock.flush()
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _last_restores_forwarding(lock: IO[str]) -> None:
    with lock, contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.seek(0)
        FORWARDING.write_text(lock.read())


def busybox_tree(folder: pathlib.Path) -> pathlib.Path:
    """Make the smallest root file system that boots and runs commands."""
    root = folder / "rootfs"
    for name in ("bin", "sbin", "dev", "proc", "sys", "tmp", "run", "root", "etc", "usr/bin"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in ("sh", "cat", "echo", "sleep", "hostname", "ip", "udhcpc", "true", "false", "wc"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "sbin/init").symlink_to("/bin/busybox")
    # Without a respawned program, init has nothing to do and hears when it has to shut down.
    inittab = "::sysinit:/bin/true\n::shutdown:/bin/true\n"
    (root / "etc/inittab").write_text(inittab)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    return root


def image_metadata(folder: pathlib.Path, description: str) -> pathlib.Path:
    """Write the metadata of an image."""
    path = folder / "metadata.yaml"
    architecture = os.uname().machine
    path.write_text(
        f"architecture: {architecture}\ncreation_date: 1700000000\n"
        f"properties:\n  description: {description}\n  os: busybox\n"
    )
    return path


def tarball(path: pathlib.Path, *content: pathlib.Path) -> pathlib.Path:
    """Pack files and folders, all root's."""
    with tarfile.open(path, "w") as tar:
        for one in content:
            tar.add(one, arcname=one.name)
    return path


def until(what, *, timeout_s: float = 30.0):
    """Return what a function finds as soon as it is true."""
    end = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < end, f"not within {timeout_s:g} s"
        time.sleep(0.1)
    return found


def _await(what) -> None:
    with contextlib.suppress(AssertionError):
        until(what, timeout_s=5)


def _empty(real: RealDaemon) -> None:
    """Have a daemon that serves remove its bridge, so that rules and name server go in order."""
    if real.process is None or real.process.poll() is not None:
        return
    api = client.Client(real.api.endpoint, timeout_s=3)
    for path in ("instances", "networks"):
        try:
            names = [one["name"] for one in api.every(client.url(path))]
        except errors.LxdError:
            return  # Without a quorum; what it left is removed by force.
        for name in names:
            with contextlib.suppress(errors.LxdError):
                _delete(api, path, name)


def _delete(api: client.Client, path: str, name: str) -> None:
    if path == "instances":
        instances.ensure_absent(api, name, timeout_s=20)
    elif name.startswith("lxdt"):
        networks.ensure_absent(api, name)


def _family(text: str) -> set[int]:
    """Return the processes whose command names a text, and all their descendants."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        with contextlib.suppress(OSError, IndexError):
            parents[pid] = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            if text in _command(pid) and pid != os.getpid():
                found.add(pid)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _serving(folder: pathlib.Path) -> set[int]:
    """Return the processes of the daemon whose folder this is."""
    found: set[int] = set()
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"LXD_DIR={folder}".encode() in path.joinpath("environ").read_bytes().split(b"\0"):
                found.add(int(path.name))
    return found


def _groups(pid: int) -> list[pathlib.Path]:
    """Return the control groups that LXD made for a process, in whatever hierarchies."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return []
    tops = {line.split(":", 2)[2].split("/")[1] for line in lines}
    return [path for path in _lxc_groups() if path.name in tops]


def _lxc_groups() -> list[pathlib.Path]:
    root = pathlib.Path("/sys/fs/cgroup")
    return [*root.glob("lxc.[pm]*.*"), *root.glob("*/lxc.[pm]*.*")]


def _is_in_use(group: pathlib.Path) -> bool:
    """Remove a control group, which only goes when nothing is left in it."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            pathlib.Path(folder).rmdir()
    return group.exists()


def monitors(folder: str) -> list[str]:
    """Return the commands of the containers of a daemon that run."""
    lines = {_command(pid) for pid in _family(f"{folder}/")}
    return sorted(line for line in lines if "lxc monitor" in line)


def _command(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


def _mount_points() -> list[str]:
    lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines]


def _links() -> list[str]:
    return [path.name for path in pathlib.Path("/sys/class/net").iterdir()]


def _rules() -> list[str]:
    shown = subprocess.run(("nft", "list", "ruleset"), capture_output=True, text=True, timeout=30)
    return [line.strip() for line in shown.stdout.splitlines()]


def _drop_rules(bridge: str) -> None:
    """Remove the chains of a bridge, and LXD's table unless another LXD has chains there."""
    table = ("nft", "list", "table", "inet", "lxd")
    shown = subprocess.run(table, capture_output=True, text=True, timeout=30)
    chains = re.findall(r"chain (\S+)", shown.stdout)
    mine = [chain for chain in chains if chain.endswith(f".{bridge}")]
    for chain in mine:
        command = ("nft", "delete", "chain", "inet", "lxd", chain)
        subprocess.run(command, check=False, timeout=30)
    if shown.returncode == 0 and chains == mine:
        subprocess.run(("nft", "delete", "table", "inet", "lxd"), check=False, timeout=30)


def _loops() -> list[str]:
    shown = subprocess.run(("losetup", "--all"), capture_output=True, text=True, timeout=30)
    return shown.stdout.splitlines()


def _free_loops(folder: str) -> None:
    for line in _loops():
        if folder in line:
            device = line.partition(":")[0]
            subprocess.run(("losetup", "--detach", device), check=False, timeout=30)


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Yield a site, and remove it whatever happens."""
    made = Site()
    try:
        yield made
    finally:
        made.remove()
