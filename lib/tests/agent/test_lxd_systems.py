"""Another system, kernel or boot loader on a member of LXD: what lives on it is back in the end.

A board has real partitions and a modelled boot loader. The LXD that runs on it is that of a
machine of the lab, which goes down and comes up with the board.
"""

import dataclasses

import pytest

from edgecloud.agent import agent, boot_loader, journal, kube, lxd_host, settings
from edgecloud.lxd import cluster, daemon
from edgecloud.lxd_member import evacuation, nodes
from edgecloud.rollout import audit, inventory, state
from edgelab.pi import two_slots
from tests.agent import hosting_site, test_kernel, test_slots
from tests.agent.cuts import BACK, Cut, boundaries, pulling
from tests.agent.hosting_site import ENDS, HOST, INSIDE, MEMBER, NODE, PLAIN

State = state.State
ONLINE, EVACUATED = cluster.Status.ONLINE, cluster.Status.EVACUATED
SLOTS, KERNEL, FIRMWARE = "slots", "kernel", "firmware"
GOOD = {SLOTS: test_slots.IMAGE, KERNEL: test_kernel.KERNEL}
EEPROM = "2025-08-13"


@dataclasses.dataclass
class Hosted:
    """A member of LXD whose system is upgraded; nodes live on it."""

    hosting: hosting_site.Hosting
    bench: object
    accepted: object

    @property
    def machine(self):
        return self.bench.board

    def wake(self, boundary=None):
        for _ in range(6):
            self.hosting.follow()
            machine, more = self.machine, {"boundary": boundary} if boundary else {}
            made = agent.Agent(machine, settings.read(machine), sleep=self.sleep, **more)
            try:
                made.wake()
            except two_slots.Rebooted:
                self._boot()
                continue
            return made.node
        raise AssertionError("the machine reboots for ever")

    def upgrade(self, boundary=None):
        """Play coordinator until the machine rests; return its node."""
        for _ in range(20):
            found = self.wake(boundary)
            if found.state in ENDS:
                return found
            if found.state in (State.IDLE, State.WAITING):
                verb = "grant" if found.state is State.WAITING else "prepare"
                self.bench.order(verb, self.accepted)
            self.sleep(60)
        raise AssertionError(f"never rests: {found}")

    def sleep(self, seconds):
        self.machine.sleep(seconds)
        self.hosting.sleep(seconds)

    def cut_power(self):
        self.machine.firmware.cut_power()
        self._boot()

    def _boot(self):
        self.hosting.cut_power()
        self.machine.sleep(120)


class Flashed(hosting_site.Hosting):
    """A member whose boot loader is upgraded: a machine of the lab, board and all."""

    def plan(self, **changes):
        return self.site.plan(targets={"firmware": {"eeprom": EEPROM}}, **changes)

    def order(self, verb, **changes):
        self.site.order(HOST, verb, self.plan(**changes), part=f"firmware/{EEPROM}")

    @property
    def hosting(self):
        return self

    @property
    def machine(self):
        return self.site.host(HOST)


@pytest.fixture
def make(pair, tmp_path, key, registry, monkeypatch):
    """Return what makes a member of LXD that gets a new system of a kind, with such an image."""
    registry.truncated = False
    hosting = hosting_site.build(pair)
    monkeypatch.setattr(nodes, "inside", hosting.inside)

    def build(kind, head=b"", has_lxd=lambda board: True):
        if kind == FIRMWARE:
            image = f"/lib/firmware/raspberrypi/bootloader-2712/default/pieeprom-{EEPROM}.bin"
            pair.host(HOST).write(image, "")
            return Flashed(pair)
        bench = {SLOTS: test_slots, KERNEL: test_kernel}[kind].make(tmp_path / kind, key, registry)
        bench.member = inventory.Member("pi-0", lxd=True)
        board = bench.board
        settings.write(board, dataclasses.replace(settings.read(board), lxd=MEMBER))
        lead_to_lxd(monkeypatch, board, pair.host(HOST), lambda: has_lxd(board))
        return Hosted(hosting, bench, bench.plan(head + GOOD[kind]))

    return build


def lead_to_lxd(monkeypatch, board, machine, has_lxd):
    """Have a board run the LXD of a machine of the lab."""
    find, connect = daemon.find, daemon.connect

    def place(where):
        return machine if where is board else where

    def found(where):
        return None if where is board and not has_lxd() else find(place(where))

    monkeypatch.setattr(daemon, "find", found)
    monkeypatch.setattr(daemon, "connect", lambda where, at: connect(place(where), at))


def assert_as_before(hosted):
    """Nothing of an upgrade is left: not in LXD, not in Kubernetes, not on disk."""
    hosted.sleep(120)
    hosting, seen = hosted.hosting, hosted.hosting.site.kube(INSIDE)
    assert hosting.status() is ONLINE
    assert all(hosting.instance(name).running for name in (NODE, PLAIN))
    assert all(hosting.instance(name).member == MEMBER for name in (NODE, PLAIN))
    assert evacuation.RAN not in hosting.instance(PLAIN).config
    assert (seen.cordoned, kube.OWNER in seen.annotations) == (False, False)
    assert not hosted.machine.exists(lxd_host.NOTE)
    assert audit.first_bad(journal.chain(hosted.machine)) is None


def running(hosting):
    return [hosting.instance(name).running for name in (NODE, PLAIN)]


@pytest.mark.parametrize("kind", [SLOTS, KERNEL, FIRMWARE])
def test_given_a_member_when_it_gets_a_new_system_then_it_was_empty_and_all_comes_back(make, kind):
    hosted, seen = make(kind), []

    def look(name):
        if name in ("before apply in applying", "before reboot in rebooting"):
            hosting = hosted.hosting
            seen.append((hosting.status(), running(hosting), hosting.site.kube(INSIDE).cordoned))

    ended = hosted.upgrade(look)

    assert ended.state is State.DONE, ended
    assert set(map(str, seen)) == {str((EVACUATED, [False, False], True))}
    assert_as_before(hosted)


@pytest.mark.parametrize("head", [two_slots.SICK, two_slots.DEAD])
@pytest.mark.parametrize("kind", [SLOTS, KERNEL])
def test_given_a_bad_system_when_tried_then_it_never_got_what_lives_here(make, kind, head):
    hosted, seen = make(kind, head), []

    def look(name):
        if name == "before roll-back in rolling-back":
            seen.append((hosted.hosting.status(), running(hosted.hosting)))

    ended = hosted.upgrade(look)

    assert ended.state is State.ROLLED_BACK, ended
    assert all(each == (EVACUATED, [False, False]) for each in seen)
    assert_as_before(hosted)


def test_given_a_system_without_lxd_when_tried_then_the_old_one_has_what_lives_here(make):
    hosted = make(SLOTS, has_lxd=lambda board: board.slot() == "a")

    ended = hosted.upgrade()

    assert ended.state is State.ROLLED_BACK, ended
    assert "LXD does not answer" in ended.reason
    assert hosted.machine.slot() == "a"
    assert_as_before(hosted)


OUT = (
    State.CORDONING,
    State.DRAINING,
    State.APPLYING,
    State.REBOOTING,
    State.VALIDATING,
    State.COMMITTING,
    State.UNCORDONING,
)
"""Where a member is on its way out, out, or on its way back."""
EFFECTS = [name for name in boundaries(OUT) if "writing" not in name]
NEVER = {"after reboot in rebooting", "after roll-back in rolling-back"}
"""The reboot itself comes first."""
CASES = [
    *((SLOTS, b"", name) for name in boundaries(OUT)),
    *((SLOTS, two_slots.SICK, name) for name in boundaries(BACK)),
    *((KERNEL, b"", name) for name in EFFECTS),
    *((KERNEL, two_slots.SICK, name) for name in boundaries(BACK)),
    *((FIRMWARE, b"", name) for name in EFFECTS),
]


@pytest.mark.parametrize(
    ("kind", "head", "boundary"), [case for case in CASES if case[-1] not in NEVER]
)
def test_given_a_power_cut_at_a_boundary_of_a_new_system_when_power_returns_then_all_is_back(
    make, kind, head, boundary
):
    hosted = make(kind, head)

    with pytest.raises(Cut):
        hosted.upgrade(pulling(boundary))
    hosted.cut_power()

    ended = hosted.upgrade()

    # One whose trial was cut short goes back: nobody knows why the power went.
    assert ended.state in ((State.ROLLED_BACK,) if head else (State.DONE, State.ROLLED_BACK))
    assert is_new(hosted, kind) is (ended.state is State.DONE)
    assert_as_before(hosted)


def is_new(hosted, kind):
    """Whether a machine runs what it was to get."""
    if kind == KERNEL:
        return hosted.machine.kernel() == GOOD[KERNEL]
    if kind == SLOTS:
        return hosted.machine.slot() == "b"
    return boot_loader.date(hosted.machine) == EEPROM
