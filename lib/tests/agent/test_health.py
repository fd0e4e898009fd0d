"""Whether a machine is well: every check that is shipped, those of the site, and nobody asked."""

import subprocess
import urllib.parse
from dataclasses import replace

import pytest

from edgecloud.agent import hardware, health, paths, settings

MODULES = ("rbd", "overlay")
LOOKS_ONLY = ("/usr/bin/systemctl", "/usr/bin/vcgencmd", "/usr/bin/timedatectl")


class Machine:
    """A simulated machine whose own programs are run, and whose root may be read-only."""

    def __init__(self, real):
        self._real = real
        self.is_read_only = False

    def __getattr__(self, name):
        return getattr(self._real, name)

    def write(self, path, text, **options):
        if self.is_read_only:
            raise OSError(30, "Read-only file system", path)
        return self._real.write(path, text, **options)

    def run(self, command, *, timeout_s, **options):
        if not command[0].startswith("/etc/edge-agent/"):
            return self._real.run(command, timeout_s=timeout_s, **options)
        return subprocess.run(
            [self.path(command[0])], capture_output=True, text=True, check=True, timeout=timeout_s
        )


@pytest.fixture
def machine(single):
    made = Machine(single.host(0))
    for name in MODULES:
        made.write(f"/sys/module/{name}/refcnt", "1")
    return made


def look(machine, **changes):
    """Return the names of the checks that failed, and of those that only warn."""
    own = replace(settings.read(machine), modules=MODULES, **changes)
    found = health.run(machine, own)
    return set(found.failed), set(found.warned)


def program(machine, folder, name, text="exit 0"):
    machine.write(f"{folder}/{name}", f"#!/bin/sh\n{text}\n", mode=0o755)


def stop(daemon):
    return lambda site, machine: site.run(0, "/usr/bin/snap", "stop", f"microk8s.{daemon}")


def make_read_only(site, machine):
    machine.is_read_only = True


def unload(site, machine):
    machine.remove("/sys/module/rbd/refcnt")
    machine.path("/sys/module/rbd").rmdir()


def fill(site, machine):
    site.machine(0).disk_used = site.machine(0).disk_bytes - 200 * 1024**2


BREAKS = {
    "kubelet": stop("daemon-kubelite"),  # The API server, which is asked for the datastore, too.
    "containerd": stop("daemon-containerd"),
    "datastore": stop("daemon-k8s-dqlite"),
    "root-writable": make_read_only,
    "modules": unload,
    "disk": fill,
}
WARNS = {
    "clock": lambda site, machine: machine.remove(hardware.SYNCHRONISED),
    "voltage": lambda site, machine: machine.write("/run/throttled", "0x50001"),
}


def test_given_the_checks_when_listed_then_each_is_broken_here():
    assert set(BREAKS) == set(health.REQUIRED)
    assert set(WARNS) == set(health.WANTED)


def test_given_a_well_machine_when_looked_at_then_nothing_is_named(machine):
    assert look(machine) == (set(), set())


@pytest.mark.parametrize("name", BREAKS)
def test_given_one_thing_that_broke_when_looked_at_then_its_check_fails(single, machine, name):
    BREAKS[name](single, machine)

    failed, warned = look(machine)

    assert failed == {name} | ({"datastore"} if name == "kubelet" else set())
    assert warned == set()


@pytest.mark.parametrize("name", WARNS)
def test_given_what_no_older_system_would_mend_when_looked_at_then_it_only_warns(
    single, machine, name
):
    WARNS[name](single, machine)

    assert look(machine) == (set(), {name})


def test_given_a_worker_when_looked_at_then_nobody_asks_for_its_datastore(single, machine):
    BREAKS["datastore"](single, machine)

    assert "datastore" not in look(machine, worker=True)[0]


def test_given_no_kubernetes_when_looked_at_then_only_the_machine_counts(single, machine):
    for name in ("kubelet", "containerd", "datastore"):
        BREAKS[name](single, machine)
    unload(single, machine)

    assert look(machine, node="")[0] == {"modules"}


@pytest.mark.parametrize("folder", [paths.REQUIRED, paths.WANTED])
def test_given_programs_of_the_site_when_they_fail_or_hang_then_their_folder_says_what_that_means(
    machine, monkeypatch, folder
):
    monkeypatch.setattr(health, "_CHECK_S", 2)
    program(machine, folder, "milking-robot")
    program(machine, folder, "pump", "echo dry >&2; exit 3")
    program(machine, folder, "pump~", "exit 1")  # What an editor left behind.
    program(machine, folder, "valve", "exec sleep 60")

    failed, warned = look(machine)

    named = {"pump", "valve"}
    assert (failed, warned) == ((named, set()) if folder == paths.REQUIRED else (set(), named))


def test_given_no_network_at_all_when_looked_at_then_all_is_well_and_nobody_else_was_asked(
    single, machine
):
    """Neither uplink, lease nor name server may take a good system back: no check needs one."""
    single.machine(0).uplink = False
    before = len(single.world.calls)

    verdict = look(machine)

    made = [call.argv for call in single.world.calls[before:]]
    asked = [argv[-1] for argv in made if argv[0] == health.CURL]
    assert verdict == (set(), set())
    assert {urllib.parse.urlsplit(url).hostname for url in asked} == {"127.0.0.1"}
    assert {argv[0] for argv in made} <= {health.CURL, *LOOKS_ONLY}
