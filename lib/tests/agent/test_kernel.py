"""A kernel alone, tried by piboot-try: power cuts at every write and command, and bad kernels."""

import pytest

from edgecloud.agent import (
    agent,
    journal,
    kernel_boot,
    paths,
    settings,
    slot_boot,
)
from edgecloud.rollout import audit, state
from edgelab.pi import piboot, two_slots
from tests.agent import signed_bench

State = state.State
KERNEL = b"new kernel " * 1000
RELEASE = "6.17.0-1004-raspi"
MODULES = two_slots.tarball({f"{RELEASE}/kernel/vxlan.ko": b"module"})


class Bench(signed_bench.SignedBench):
    STEP = "os/6.17"

    def plan(self, kernel=KERNEL, modules=MODULES, **changes):
        ref = self.registry.push_kernel(kernel, modules)
        target = {"kind": "kernel-only", "version": "6.17", "ref": ref}
        return self.read_plan(changes.pop("id", "kernel-1"), target, **changes)

    def attempts(self):
        """Return how often a kernel was booted on trial."""
        return sum(is_trial for _, is_trial in self.board.firmware.boots)


@pytest.fixture
def bench(tmp_path, key, registry):
    return make(tmp_path, key, registry)


def make(folder, key, registry):
    (folder / "root").mkdir(parents=True)
    board = piboot.Board(folder / "root")
    piboot.flash(board)
    settings.write(board, settings.Settings("pi-0", sign="required", clock="kept"))
    signed_bench.trust(board, key)
    return Bench(board, registry, key)


def test_given_a_signed_kernel_when_granted_then_it_is_tried_once_and_piboot_try_keeps_it(bench):
    ended = bench.upgrade(bench.plan())

    assert ended.state is State.DONE, ended
    assert bench.board.kernel() == KERNEL
    assert bench.attempts() == 1
    assert bench.board.state("current") == bench.board.state("old") == "good"
    assert (bench.board.folder("old") / "vmlinuz").read_bytes() == b"old kernel"
    assert bench.board.exists(f"{kernel_boot.MODULES}/{RELEASE}/kernel/vxlan.ko")


def test_given_a_new_kernel_when_installed_then_it_is_booted_like_the_old_one(bench):
    bench.upgrade(bench.plan())

    line = bench.board.read("/proc/cmdline").split()

    assert line[:3] == ["console=tty1", "root=LABEL=writable", "panic=10"]
    assert line[3].startswith("edge.os=")


def test_given_a_kept_kernel_when_power_is_cut_then_it_boots_again(bench):
    bench.upgrade(bench.plan())

    bench.board.firmware.cut_power()

    assert bench.board.kernel() == KERNEL


def test_given_a_second_kernel_when_granted_then_it_takes_the_place_of_the_first(bench):
    bench.upgrade(bench.plan())

    ended = bench.upgrade(bench.plan(b"third kernel", b"", id="kernel-2"))

    assert ended.state is State.DONE
    assert bench.board.kernel() == b"third kernel"
    assert (bench.board.folder("old") / "vmlinuz").read_bytes() == KERNEL


@pytest.mark.parametrize("head", [two_slots.SICK, two_slots.DEAD])
def test_given_a_bad_kernel_when_tried_then_the_old_one_runs_and_it_is_burnt(bench, head):
    ended = bench.upgrade(bench.plan(head + KERNEL))

    assert ended.state is State.ROLLED_BACK
    assert ended.burnt
    assert bench.board.kernel() == b"old kernel"
    assert bench.board.state("new") == "bad"
    assert bench.attempts() == 1
    assert not bench.board.exists(f"{kernel_boot.MODULES}/{RELEASE}")


def test_given_a_validation_that_was_quicker_when_the_agent_finds_it_ill_then_old_is_restored(
    bench,
):
    accepted = bench.plan()
    soak(bench, accepted)
    kernel = bench.board.folder("current") / "vmlinuz"
    kernel.write_bytes(two_slots.SICK + KERNEL)

    ended = bench.finish(accepted)

    assert ended.state is State.ROLLED_BACK
    assert ("/usr/sbin/piboot-try", "--restore-old") in bench.board.calls
    assert bench.board.kernel() == b"old kernel"


def test_given_a_done_node_when_told_to_roll_back_then_the_old_kernel_runs(bench):
    accepted = bench.plan()
    bench.upgrade(accepted)

    bench.order("roll-back", accepted)
    ended = bench.wake()

    assert ended.state is State.ROLLED_BACK
    assert bench.board.kernel() == b"old kernel"


def soak(bench, accepted):
    for verb in ("prepare", "grant"):
        bench.order(verb, accepted)
        found = bench.wake()
    assert found.state is State.SOAKING, found


def test_given_the_distributions_own_validation_when_it_comes_first_then_that_is_fine(bench):
    accepted = bench.plan()
    bench.order("prepare", accepted)
    bench.wake()
    bench.order("grant", accepted)
    with pytest.raises(two_slots.Rebooted):
        made = agent.Agent(bench.board, settings.read(bench.board), sleep=bench.board.sleep)
        made.wake()

    bench.board.validate()

    assert bench.finish(accepted).state is State.DONE
    assert bench.attempts() == 1


REFUSALS = {
    "no piboot-try": lambda board: board.remove("/usr/sbin/piboot-try"),
    "the layout of before 25.10": lambda board: board.write(
        "/boot/firmware/config.txt", "[all]\narm_64bit=1\n"
    ),
    "current is not good": lambda board: board.write("/boot/firmware/current/state", "bad\n"),
    "a kernel of the distribution's waits": lambda board: [
        board.write("/boot/firmware/new/vmlinuz", "theirs"),
        board.write("/boot/firmware/new/state", "unknown\n"),
    ],
    "plans need no signature": lambda board: settings.write(
        board, settings.Settings("pi-0", clock="kept")
    ),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_given_a_machine_that_cannot_try_when_prepared_then_nothing_is_written(bench, why):
    REFUSALS[why](bench.board)
    before = tree(bench.board)

    ended = bench.upgrade(bench.plan())

    assert ended.state is State.FAILED_SAFE
    assert tree(bench.board) == before


def tree(board):
    root = board.root / "boot/firmware"
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_given_modules_of_that_release_when_applied_then_they_are_not_overwritten(bench):
    theirs = f"{kernel_boot.MODULES}/{RELEASE}/kernel/vxlan.ko"
    bench.board.write(theirs, "theirs")

    ended = bench.upgrade(bench.plan())

    assert ended.state is State.ROLLED_BACK
    assert bench.board.read(theirs) == "theirs"
    assert bench.attempts() == 0


def test_given_a_kernel_that_was_damaged_on_the_disk_when_granted_then_it_is_not_tried(bench):
    accepted = bench.plan()
    bench.order("prepare", accepted)
    bench.wake()
    bench.board.path(f"{paths.STAGING}/kernel/boot.tar").write_bytes(b"garbage")

    bench.order("grant", accepted)

    assert bench.wake().state is State.ROLLED_BACK
    assert bench.attempts() == 0


@pytest.mark.parametrize(
    ("kernel", "when"),
    [
        (KERNEL, "before"),
        (two_slots.SICK + KERNEL, "after"),
        (two_slots.DEAD + KERNEL, "after"),
    ],
    ids=["good-before", "sick-after", "dead-after"],
)
def test_given_a_power_cut_at_every_write_and_command_when_power_returns_then_it_ends_well(
    tmp_path, key, registry, monkeypatch, kernel, when
):
    total = cut_at(make(tmp_path / "count", key, registry), kernel, monkeypatch, None, when)[1]

    for at in range(total):
        bench = make(tmp_path / f"{at}", key, registry)
        ended, _ = cut_at(bench, kernel, monkeypatch, at, when)
        runs = kernel if ended.state is State.DONE else b"old kernel"
        assert ended.state in (State.DONE, State.ROLLED_BACK), (at, ended)
        assert bench.board.kernel() == runs
        if kernel != KERNEL:
            assert ended.state is State.ROLLED_BACK
        assert bench.attempts() <= 1 or ended.state is State.DONE, at
        assert audit.first_bad(journal.chain(bench.board)) is None
        bench.board.firmware.cut_power()
        assert bench.board.kernel() == runs

    assert total >= (40 if kernel == KERNEL else 20)


WRITES = (
    (journal, "_append"),
    (kernel_boot, "install"),
    (kernel_boot, "install_modules"),
    (kernel_boot, "condemn"),
    (kernel_boot, "remove_modules"),
    (slot_boot, "_extract"),
    (slot_boot, "sync_tree"),
)


def cut_at(bench, kernel, monkeypatch, at, when):
    """Upgrade, with a cut at the n-th write or command; return the end, and how many there are."""
    count = 0

    def pull():
        nonlocal count
        count += 1
        if at is not None and count == at + 1:
            raise signed_bench.Cut

    def pass_by():
        """Power stays on at this side of it."""

    before, after = (pull, pass_by) if when == "before" else (pass_by, pull)
    accepted = bench.plan(kernel)
    with monkeypatch.context() as patch:
        for owner, name in WRITES:
            patch.setattr(owner, name, around(getattr(owner, name), before, after))
        if kernel == KERNEL:
            patch.setattr(bench.board, "write", around(bench.board.write, before, after))
        bench.board.before, bench.board.after = before, after
        try:
            return bench.upgrade(accepted), count
        except signed_bench.Cut:
            bench.board.before = bench.board.after = pass_by
            bench.board.firmware.cut_power()
    return bench.finish(accepted), count


def around(real, before, after):
    def call(*arguments, **named):
        before()
        found = real(*arguments, **named)
        after()
        return found

    return call
