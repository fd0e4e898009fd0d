"""Packages of one moment by the real apt and dpkg, killed in the middle of every script.

The machine is a tree that the real programs run in; its archive has two moments, as a mirror of a
site would keep them.
"""

import dataclasses
import os
import shutil
import signal
import subprocess
import tarfile

import agent_containers
import pytest

from edgecloud import host
from edgecloud.agent import agent, exchange, journal, packages, paths, settings
from edgecloud.rollout import audit, inventory, messages, state
from tests.agent import plans

State = state.State
THEN, NOW = "20250101T000000Z", "20250201T000000Z"
ENDS = (State.DONE, State.ROLLED_BACK, State.FAILED_SAFE, State.QUARANTINED)
SCRIPT = """\
#!/bin/sh
set -e
if [ "$(cat /hold 2>/dev/null)" = "{name} {version} {script}" ]; then touch /held; sleep 600; fi
if [ -e /bad/{name}-{version} ] && [ {script} = postinst ]; then exit 1; fi
"""
ARCHIVE = {
    THEN: {"base-tool": "1.0", "service": "1:1.0", "linux-image-raspi": "6.8.1"},
    NOW: {"base-tool": "1.1", "service": "1:2.0", "linux-image-raspi": "6.8.2",
          "linux-image-6.8.2": "6.8.2"},
}  # fmt: skip
DEPENDS = {
    ("service", "1:2.0"): "base-tool (>= 1.1)",
    ("linux-image-raspi", "6.8.2"): "linux-image-6.8.2",
}


class Cut(BaseException):
    """Power went."""


class Rebooted(BaseException):
    """The machine restarts."""


class Machine(host.LocalHost):
    """A tree of a real system; its programs are the real ones, but for a reboot."""

    def __init__(self, root):
        super().__init__(root)
        self.seconds, self.boots = 1_900_000_000.0, 0
        self.boot()

    def boot(self):
        self.boots += 1
        self.write("/proc/sys/kernel/random/boot_id", f"boot-{self.boots}\n")

    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        """Run a command in the tree; a script that was told to hold is where power is cut."""
        if command[0] == "/usr/sbin/reboot":
            self.boot()
            raise Rebooted
        if not self.exists(command[0]):
            raise FileNotFoundError(2, "No such file or directory", command[0])
        started = subprocess.Popen(
            ["chroot", str(self.root), *command], stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(env or {})},
        )  # fmt: skip
        while True:
            try:
                out, err = started.communicate(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                if self.remove("/held"):
                    os.killpg(started.pid, signal.SIGKILL)
                    started.communicate()
                    self.remove("/hold")
                    raise Cut from None
        done = subprocess.CompletedProcess(list(command), started.returncode, out, err)
        if check:
            done.check_returncode()
        return done

    def now(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds


@dataclasses.dataclass
class Bench:
    machine: Machine
    serial: int = 0

    def plan(self, **changes):
        target = {"kind": "apt-snapshot", "version": "24.04.4", "snapshot-stamp": NOW}
        return plans.read("os-1", {"os": target}, **changes)

    def order(self, verb, accepted):
        self.serial += 1
        given = messages.Order(
            (1, self.serial), messages.Verb(verb), accepted.digest, "os/24.04.4",
            expires=2_000_000_000,
        )  # fmt: skip
        exchange.write_inbox(self.machine, exchange.Inbox(given, accepted, inventory.Member("pi")))

    def wake(self):
        for _ in range(6):
            made = agent.Agent(self.machine, settings.read(self.machine), sleep=self.machine.sleep)
            try:
                made.wake()
            except Rebooted:
                continue
            return made.node
        raise AssertionError("the machine reboots for ever")

    def upgrade(self, accepted):
        for _ in range(14):
            found = self.wake()
            if found.state in ENDS and found.work and found.work.digest == accepted.digest:
                return found
            if found.state in (State.IDLE, State.WAITING, *ENDS):
                self.order("grant" if found.state is State.WAITING else "prepare", accepted)
            self.machine.sleep(60)
        raise AssertionError(f"never rests: {found}")

    def installed(self):
        found = packages.installed(self.machine, settings.read(self.machine))
        assert not found.broken
        names = {name for each in ARCHIVE.values() for name in each}
        return {name: v for name, v in found.versions.items() if name in names}

    def marks(self, which):
        command = (packages.MARK, which)
        return self.machine.run(command, timeout_s=60).stdout.split()

    def hold_at(self, name, version, script):
        self.machine.write("/hold", f"{name} {version} {script}")

    def spoil(self, name):
        self.machine.write(f"/bad/{name}", "")


@pytest.fixture(scope="module")
def tree(tmp_path_factory, progress):
    """Return a tree with an archive of two moments, and the packages of the first."""
    folder = tmp_path_factory.mktemp("packages")
    with tarfile.open(agent_containers.image(folder, progress)) as source:
        source.extractall(folder, filter="fully_trusted")
    root = folder / "rootfs"
    for stamp, wanted in ARCHIVE.items():
        pool = root / "archive" / stamp / "dists/noble/main/binary-all"
        pool.mkdir(parents=True)
        for name, version in wanted.items():
            build(root, folder, pool, name, version)
        index(root / "archive" / stamp)
    first = root / "archive" / THEN
    words = [str(path.relative_to(root)) for path in first.rglob("*.deb")]
    subprocess.run(("chroot", root, "dpkg", "--install", *words), check=True, capture_output=True)
    automatic = ("chroot", root, "apt-mark", "auto", "base-tool")
    subprocess.run(automatic, check=True, capture_output=True)
    (root / "etc/apt/sources.list").write_text(source_of(THEN))
    (root / "etc/dpkg/dpkg.cfg.d/quick").write_text("force-unsafe-io\n")
    progress("a tree with real packages of two moments")
    return root


def source_of(stamp):
    return f"deb [trusted=yes] copy:/archive/{stamp} noble main\n"


def build(root, folder, pool, name, version):
    """Build a package with scripts that say when they run."""
    made = folder / "deb"
    (made / "DEBIAN").mkdir(parents=True)
    (made / f"usr/share/{name}").mkdir(parents=True)
    (made / f"usr/share/{name}/version").write_text(version)
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.org>\n"
        f"Description: one of the test's\n"
    )
    depends = DEPENDS.get((name, version))
    control += f"Depends: {depends}\n" if depends else ""
    (made / "DEBIAN/control").write_text(control)
    for script in ("preinst", "postinst"):
        path = made / "DEBIAN" / script
        path.write_text(SCRIPT.format(name=name, version=version, script=script))
        path.chmod(0o755)
    file = pool / f"{name}_{version.replace(':', '%3a')}_all.deb"
    subprocess.run(("dpkg-deb", "--build", made, file), check=True, capture_output=True)
    shutil.rmtree(made)


def index(archive):
    """Write the lists of an archive, as apt reads them."""
    found = subprocess.run(
        ("dpkg-scanpackages", "--multiversion", "dists/noble/main/binary-all"),
        cwd=archive, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    folder = archive / "dists/noble/main/binary-amd64"
    folder.mkdir(parents=True)
    (folder / "Packages").write_text(found)
    digest = subprocess.run(
        ("sha256sum", "main/binary-amd64/Packages"),
        cwd=archive / "dists/noble", check=True, capture_output=True, text=True,
    ).stdout.split()[0]  # fmt: skip
    (archive / "dists/noble/Release").write_text(
        "Suite: noble\nCodename: noble\nArchitectures: amd64 all\nComponents: main\n"
        "Date: Wed, 01 Jan 2025 00:00:00 UTC\nSHA256:\n"
        f" {digest} {len(found.encode())} main/binary-amd64/Packages\n"
    )


@pytest.fixture
def bench(tree, tmp_path):
    """Return a machine of its own, a copy of the tree."""
    root = layered(tree, tmp_path)
    machine = Machine(root)
    place = {"url": "copy:/archive/{stamp}", "suites": "noble", "components": "main",
             "options": "trusted=yes"}  # fmt: skip
    settings.write(machine, settings.Settings("pi", arch="amd64", clock="kept", apt=place))
    yield Bench(machine)
    subprocess.run(("umount", root), check=True)


def layered(tree, folder):
    """Return a copy of a tree that holds only what differs from it."""
    for name in ("root", "upper", "work"):
        (folder / name).mkdir()
    options = f"lowerdir={tree},upperdir={folder}/upper,workdir={folder}/work"
    command = ("mount", "-t", "overlay", "overlay", "-o", options, folder / "root")
    subprocess.run(command, check=True)
    return folder / "root"


def test_given_a_moment_of_the_archive_when_granted_then_the_machine_has_its_packages(bench):
    ended = bench.upgrade(bench.plan())

    assert ended.state is State.DONE, ended
    assert bench.installed() == ARCHIVE[NOW]
    assert bench.machine.boots == 2
    assert "base-tool" in bench.marks("showauto")


def scripts(stamp):
    """Return every maintainer script that an upgrade to a moment runs."""
    return [
        (*each, script) for each in ARCHIVE[stamp].items() for script in ("preinst", "postinst")
    ]


@pytest.mark.parametrize("script", scripts(NOW), ids=" ".join)
def test_given_a_power_cut_in_a_script_when_power_returns_then_the_upgrade_ends(bench, script):
    accepted = bench.plan()
    bench.hold_at(*script)

    with pytest.raises(Cut):
        bench.upgrade(accepted)
    bench.machine.boot()
    ended = bench.upgrade(accepted)

    assert ended.state is State.DONE, ended
    assert bench.installed() == ARCHIVE[NOW]
    assert audit.first_bad(journal.chain(bench.machine)) is None


@pytest.mark.parametrize("name", ARCHIVE[NOW])
def test_given_a_package_that_fails_when_applied_then_all_are_exactly_what_they_were(bench, name):
    bench.spoil(f"{name}-{ARCHIVE[NOW][name]}")

    ended = bench.upgrade(bench.plan())

    assert ended.state is State.ROLLED_BACK, ended
    assert ended.work.rollback == "packages-best-effort"
    assert ended.burnt == (f"os:{NOW}",)
    assert bench.installed() == ARCHIVE[THEN]
    assert "base-tool" in bench.marks("showauto")
    assert "service" not in bench.marks("showauto")


WAY_BACK = [each for each in scripts(THEN) if each[0] != "linux-image-raspi"]


@pytest.mark.parametrize("script", WAY_BACK, ids=" ".join)
def test_given_a_power_cut_on_the_way_back_when_power_returns_then_it_ends_there(bench, script):
    accepted = bench.plan()
    bench.spoil("linux-image-raspi-6.8.2")
    bench.hold_at(*script)

    with pytest.raises(Cut):
        bench.upgrade(accepted)
    bench.machine.boot()
    ended = bench.upgrade(accepted)

    assert ended.state is State.ROLLED_BACK, ended
    assert bench.installed() == ARCHIVE[THEN]
    assert audit.first_bad(journal.chain(bench.machine)) is None


def test_given_former_versions_that_are_gone_when_staged_then_nothing_is_begun(bench):
    for path in bench.machine.glob(f"/archive/{THEN}/dists/noble/main/binary-all/*.deb"):
        bench.machine.remove(path)

    ended = bench.upgrade(bench.plan())

    assert ended.state is State.FAILED_SAFE
    assert "no way back" in ended.reason
    assert bench.installed() == ARCHIVE[THEN]


def test_given_packages_that_fall_ill_in_their_soak_when_woken_then_the_former_are_back(bench):
    check = "#!/bin/sh\n! { grep -q 1.1 /usr/share/base-tool/version && [ -e /ill ]; }\n"
    bench.machine.write(f"{paths.REQUIRED}/application", check, mode=0o755)
    accepted = bench.plan()
    bench.order("prepare", accepted)
    bench.wake()
    bench.order("grant", accepted)
    assert bench.wake().state is State.SOAKING
    assert {"linux-image-raspi", "linux-image-6.8.2"} <= set(bench.marks("showhold"))

    bench.machine.write("/ill", "")
    ended = bench.upgrade(accepted)

    assert ended.state is State.ROLLED_BACK, ended
    assert bench.installed() == ARCHIVE[THEN]
    assert not bench.marks("showhold")


def test_given_a_live_plan_when_apt_wakes_by_itself_then_it_does_nothing_until_the_end(bench):
    accepted = bench.plan()
    bench.order("prepare", accepted)
    bench.wake()
    assert periodic(bench) == "0"

    ended = bench.upgrade(accepted)

    assert ended.state is State.DONE
    assert periodic(bench) != "0"
    assert not bench.marks("showhold")


def periodic(bench):
    """Return what apt's own timers ask before anything else."""
    words = ("/usr/bin/apt-config", "shell", "on", "APT::Periodic::Enable")
    said = bench.machine.run(words, timeout_s=60).stdout
    return said.partition("'")[2].partition("'")[0]


def test_given_a_package_that_somebody_holds_when_applied_then_it_is_not_moved(bench):
    bench.machine.run((packages.MARK, "hold", "service"), timeout_s=60)

    ended = bench.upgrade(bench.plan())

    assert ended.state is State.DONE, ended
    assert bench.installed()["service"] == ARCHIVE[THEN]["service"]
    assert bench.marks("showhold") == ["service"]


def test_given_a_package_that_was_damaged_on_the_disk_when_granted_then_none_is_installed(bench):
    accepted = bench.plan()
    bench.order("prepare", accepted)
    bench.wake()
    deb = bench.machine.glob(f"{packages.FOLDER}/new/archives/service_*.deb")[0]
    bench.machine.path(deb).write_bytes(b"x" * bench.machine.path(deb).stat().st_size)

    bench.order("grant", accepted)
    ended = bench.wake()

    assert ended.state is State.ROLLED_BACK, ended
    assert bench.installed() == ARCHIVE[THEN]
    assert bench.machine.boots == 1
