"""A workload moves from one instance to another under a client that asks every 10 ms."""

import contextlib
import dataclasses
import http.client
import itertools
import threading
import time

import lxd_site
import pool_site
import pytest

import nft_switch
import switching
import switchover
from edgecloud import host as machines
from edgecloud.lxd import guest, instances

PORT, TARGET = 18080, 80
OLD, NEW = "app-old", "app-new"
SENSOR = {"type": "unix-char", "source": "/dev/zero", "path": "/dev/sensor"}
APP = """\
#!/bin/sh
mkdir -p /www
hostname > /www/index.html
[ -e /etc/lazy ] && sleep 30
exec httpd -f -p 80 -h /www
"""
EVERY_S = 0.01
PATIENT_S, USUAL_S = 10, 2
"""How long a request may take: on a loaded machine, one that is late is not lost."""


@dataclasses.dataclass
class Workload:
    """The daemon, the two instances, and the client."""

    host: pool_site.PoolSite
    switcher: switching.Switcher
    service: switchover.Service

    def add(self, name, *, devices=None, lazy=False):
        source = instances.Source.alias("app")
        plan = instances.Plan(name, source, devices=devices or {})
        instances.create(self.host.api, plan)
        if lazy:
            guest.push(self.host.api, name, "/etc/lazy", b"")
        instances.ensure_running(self.host.api, name)
        if not lazy:
            lxd_site.until(lambda: not switching.probe(self.host.address(name), TARGET, "/"))

    def has_sensor(self, name):
        return self.host.run(name, "test -e /dev/sensor").exit_code == 0

    def stop(self, name):
        self.host.run(name, "kill -9 $(ps | grep '[h]ttpd' | while read a b; do echo $a; done)")


@dataclasses.dataclass
class Client:
    """Asks all the time, each time over a connection of its own, and keeps what came back."""

    address: str
    answer_s: float = PATIENT_S
    answers: list = dataclasses.field(default_factory=list)
    lost: list = dataclasses.field(default_factory=list)
    over: threading.Event = dataclasses.field(default_factory=threading.Event)

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            self.answers.append((began, self._ask()))
            time.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))

    def _ask(self):
        try:
            with contextlib.closing(
                http.client.HTTPConnection(self.address, PORT, timeout=self.answer_s)
            ) as connection:
                connection.request("GET", "/index.html")
                answer = connection.getresponse()
                if answer.status == 200:
                    return answer.read().decode().strip()
                self.lost.append(f"status {answer.status}")
        except (OSError, http.client.HTTPException) as error:
            self.lost.append(repr(error))
        return ""

    def gap_s(self):
        """Return the longest time between two good answers."""
        good = [at for at, answer in self.answers if answer]
        return max(later - earlier for earlier, later in itertools.pairwise(good))

    def first(self, name):
        return next(at for at, answer in self.answers if answer == name)


@contextlib.contextmanager
def asking(workload, answer_s=PATIENT_S):
    """Have a client ask meanwhile, from before the block until 200 requests and a bit after."""
    client = Client(workload.host.subnet.partition("/")[0], answer_s)
    thread = threading.Thread(target=client.run)
    thread.start()
    try:
        lxd_site.until(lambda: len(client.answers) > 50)
        yield client
        after = len(client.answers) + 50
        lxd_site.until(lambda: len(client.answers) > max(200, after))
    finally:
        client.over.set()
        thread.join()


@pytest.fixture(scope="module")
def host(site, progress):
    progress("starting a daemon for workloads")
    with pool_site.site_of(site, "switched", alias="app", app=APP) as made:
        progress("it serves")
        yield made


@pytest.fixture
def workload(host, tmp_path):
    """Return a workload that runs in the old instance and is published; all goes after."""
    machine = Machine(tmp_path)
    switcher = switching.Switcher(machine, host.api)
    service = switchover.Service(
        "app", PORT, TARGET, OLD, path="/index.html", device="sensor", ready_s=3, soak_s=1
    )
    made = Workload(host, switcher, service)
    made.add(OLD, devices={"sensor": SENSOR})
    switcher.publish(service)
    switcher.resume()
    yield made
    switching.remove(machine)
    for name in (OLD, NEW):
        instances.ensure_absent(host.api, name)
    assert nft_switch.pointed(machine) == ""


class Machine(machines.LocalHost):
    """This machine, with its journals in a folder of the test's own."""

    def path(self, path):
        inside = path.startswith(switching.JOURNALS)
        return super().path(path) if inside else machines.LocalHost("/").path(path)


def switch(workload, **options):
    service = dataclasses.replace(workload.service, **options)
    workload.switcher.begin(service, NEW)
    return {seen.name: seen for seen in workload.switcher.resume()}["app"]


def test_given_a_ready_shadow_when_switched_under_load_then_no_request_is_lost(workload, progress):
    workload.add(NEW)
    with asking(workload) as switched:
        seen = switch(workload)
    switched_s = switched.gap_s()

    with asking(workload, USUAL_S) as restarted:
        instances.restart(workload.host.api, NEW, force=True)
        lxd_site.until(lambda: restarted.answers[-1][1])

    assert (seen.active, seen.phase) == (NEW, switchover.Phase.STEADY)
    assert (seen.result, switched.lost) == (f"switched from {OLD} to {NEW}", [])
    assert len(switched.answers) >= 200
    assert switched_s < restarted.gap_s()
    assert {answer for _, answer in switched.answers} == {OLD, NEW}
    assert (workload.has_sensor(OLD), bool(restarted.lost)) == (False, True)
    progress(
        f"lost none of {len(switched.answers)} with the switch, longest gap "
        f"{switched_s * 1000:.0f} ms; restart in place lost {len(restarted.lost)} of "
        f"{len(restarted.answers)}, {restarted.gap_s() * 1000:.0f} ms: "
        f"{restarted.gap_s() / switched_s:.0f} times as long"
    )


def test_given_a_device_when_switched_then_only_the_new_one_has_it(workload):
    workload.add(NEW)
    held = []

    def boundary(name):
        held.append((name, workload.has_sensor(OLD), workload.has_sensor(NEW)))

    workload.switcher._boundary = boundary
    switch(workload)

    assert held[1:3] == [
        ("before the device moves", True, False),
        ("before the clients are led over", False, True),
    ]
    assert (workload.has_sensor(OLD), workload.has_sensor(NEW)) == (False, True)


def test_given_a_shadow_that_is_not_ready_when_switched_then_it_is_refused_and_nothing_moves(
    workload,
):
    workload.add(NEW, lazy=True)
    with asking(workload) as client:
        seen = switch(workload, ready_s=1)

    assert seen.result.startswith(f"refused: {NEW} is not ready: ")
    assert (seen.active, client.lost) == (OLD, [])
    assert {answer for _, answer in client.answers} == {OLD}
    assert (workload.has_sensor(OLD), workload.has_sensor(NEW)) == (True, False)


def test_given_a_shadow_that_dies_in_the_soak_when_switched_then_the_old_one_is_back_at_once(
    workload, progress
):
    workload.add(NEW)
    died = []

    def kill_once_it_answered(client):
        lxd_site.until(lambda: NEW in {answer for _, answer in [*client.answers]})
        workload.stop(NEW)
        died.append(time.monotonic())

    with asking(workload, USUAL_S) as client:
        threading.Thread(target=kill_once_it_answered, args=(client,)).start()
        seen = switch(workload, soak_s=20)

    back_s = next(at for at, answer in client.answers if answer == OLD and at > died[0]) - died[0]
    assert seen.result.startswith(f"switched back to {OLD}: {NEW} died: ")
    assert client.answers[-1][1] == OLD
    assert back_s < 10
    assert (workload.has_sensor(OLD), workload.has_sensor(NEW)) == (True, False)
    lost = len(client.lost)
    progress(f"back {back_s * 1000:.0f} ms after it died, {lost} requests lost till then")


@pytest.mark.parametrize("at", range(4))
def test_given_a_power_cut_at_any_step_when_up_again_then_the_switch_is_made(workload, at):
    workload.add(NEW)
    reached = []

    def cut(name):
        reached.append(name)
        if len(reached) == at + 1:
            raise KeyboardInterrupt  # Nothing in the code under test catches it.

    workload.switcher._boundary = cut
    with pytest.raises(KeyboardInterrupt):
        switch(workload)
    nft_switch.remove(workload.switcher._host)

    (seen,) = switching.Switcher(workload.switcher._host, workload.host.api).resume()

    assert len(reached) == at + 1
    assert (seen.active, seen.result) == (NEW, f"switched from {OLD} to {NEW}")
    assert (workload.has_sensor(OLD), workload.has_sensor(NEW)) == (False, True)
    client = Client(workload.host.subnet.partition("/")[0])
    assert client._ask() == NEW


@pytest.mark.parametrize("at", range(3))
def test_given_a_power_cut_on_the_way_back_when_up_again_then_the_old_one_serves(workload, at):
    workload.add(NEW)
    reached = []

    def cut(name):
        if workload_dead.is_set() and "soaking" not in name:
            reached.append(name)
            if len(reached) == at + 1:
                raise KeyboardInterrupt

    workload_dead = threading.Event()

    def ask(address, port, path):
        if address == workload.host.address(NEW) and workload.has_sensor(NEW):
            workload.stop(NEW)
            workload_dead.set()
        return switching.probe(address, port, path)

    workload.switcher._boundary, workload.switcher._ask = cut, ask
    with pytest.raises(KeyboardInterrupt):
        switch(workload, soak_s=30)

    (seen,) = switching.Switcher(workload.switcher._host, workload.host.api).resume()

    assert seen.result.startswith(f"switched back to {OLD}")
    assert (workload.has_sensor(OLD), workload.has_sensor(NEW)) == (True, False)
    assert Client(workload.host.subnet.partition("/")[0])._ask() == OLD


def test_given_open_connection_when_switched_then_it_stays_with_the_old_one(workload):
    workload.add(NEW)
    address = workload.host.subnet.partition("/")[0]
    connection = http.client.HTTPConnection(address, PORT, timeout=5)
    connection.connect()

    switch(workload)
    connection.request("GET", "/index.html")

    assert connection.getresponse().read().decode().strip() == OLD
    connection.close()


def test_given_two_services_when_one_is_switched_then_the_other_stays_where_it_is(workload):
    workload.add(NEW)
    other = dataclasses.replace(workload.service, name="other", port=PORT + 1, device="")
    workload.switcher.publish(other)

    switch(workload)

    table = nft_switch.pointed(workload.switcher._host)
    old, new = (workload.host.address(name) for name in (OLD, NEW))
    assert f"{PORT} : {new} . {TARGET}" in table
    assert f"{PORT + 1} : {old} . {TARGET}" in table
    with pytest.raises(switching.RefusedError, match="port 18080 is that of app"):
        workload.switcher.publish(dataclasses.replace(other, port=PORT))


@pytest.mark.parametrize(
    ("options", "shadow", "why"),
    [
        ({}, OLD, f"{OLD} serves app already"),
        ({}, "nobody", "there is no instance nobody"),
        ({"device": "camera"}, NEW, f"{OLD} has no device camera"),
    ],
)
def test_given_a_switch_that_makes_no_sense_when_begun_then_it_is_refused(
    workload, options, shadow, why
):
    if shadow == NEW:
        workload.add(NEW)
    service = dataclasses.replace(workload.service, **options)

    with pytest.raises(switching.RefusedError, match=why):
        workload.switcher.begin(service, shadow)

    assert switching.find(workload.switcher._host, "app").phase is switchover.Phase.STEADY
