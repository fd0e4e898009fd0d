"""Two systems on one board: power cuts at every write, bad images, and who is never written."""

import hashlib

import pytest

from edgecloud import host
from edgecloud.agent import (
    agent,
    healing,
    journal,
    main,
    paths,
    settings,
    slot_boot,
    slot_disk,
    tally,
    trial,
)
from edgecloud.rollout import audit, state
from edgelab.pi import two_slots
from tests.agent import signed_bench

State = state.State
OLD = "os:127.0.0.1:1/site/os@sha256:" + "0" * 64
IMAGE = b"new system " * 110_000


class Bench(signed_bench.SignedBench):
    STEP = "os/26.04.2"

    def plan(self, image=IMAGE, **changes):
        ref = changes.pop("ref", None) or self.registry.push(image)
        target = {"kind": "ab-image", "version": "26.04.2", "ref": ref}
        return self.read_plan(changes.pop("id", "os-1"), target, **changes)

    def digest(self, slot):
        return hashlib.sha256(self.board.slots[slot].read_bytes()).hexdigest()


@pytest.fixture
def bench(tmp_path, key, registry):
    registry.truncated = False
    return make(tmp_path, key, registry)


def make(folder, key, registry):
    root = folder / "root"
    (root / "dev").mkdir(parents=True)
    slots = {slot: root / "dev" / f"root_{slot}" for slot in "ab"}
    slots["a"].write_bytes(b"old system ".ljust(2 << 20, b"."))
    slots["b"].write_bytes(bytes(2 << 20))
    board = two_slots.Board(root, slots)
    two_slots.flash(board, OLD)
    places = {"a": "/dev/root_a", "b": "/dev/root_b", "boot": "/boot/firmware"}
    settings.write(board, settings.Settings("pi-0", sign="required", clock="kept", slots=places))
    signed_bench.trust(board, key)
    return Bench(board, registry, key)


def test_given_a_signed_image_when_granted_then_it_is_tried_once_and_kept(bench):
    before = bench.digest("a")

    ended = bench.upgrade(bench.plan())

    assert ended.state is State.DONE
    assert bench.board.slot() == "b"
    assert bench.digest("a") == before
    assert [trial for _, trial in bench.board.firmware.boots] == [False, True]


def test_given_a_kept_image_when_power_is_cut_then_it_boots_again(bench):
    bench.upgrade(bench.plan())

    bench.board.firmware.cut_power()

    assert bench.board.slot() == "b"


@pytest.mark.parametrize(("commits", "slot"), [(False, "a"), (True, "b")])
def test_given_a_system_on_trial_when_its_time_is_over_then_only_a_kept_one_stays(
    bench, commits, slot
):
    accepted = bench.plan()
    if commits:
        bench.upgrade(accepted)
    else:
        stop_on_trial(bench, accepted)
    former = host.use(bench.board)

    try:
        main.main(["give-up"])
    except two_slots.Rebooted:
        assert not commits
    finally:
        host.use(former)

    assert bench.board.slot() == slot


def stop_on_trial(bench, accepted):
    """Let the agent die as soon as the new system runs."""
    bench.order("prepare", accepted)
    bench.wake()
    bench.order("grant", accepted)
    with pytest.raises(two_slots.Rebooted):
        made = agent.Agent(bench.board, settings.read(bench.board), sleep=bench.board.sleep)
        made.wake()
    assert bench.board.slot() == "b"


@pytest.mark.parametrize("head", [two_slots.SICK, two_slots.DEAD])
def test_given_a_bad_image_when_tried_then_the_old_system_runs_and_it_is_burnt(bench, head):
    before = bench.digest("a")

    ended = bench.upgrade(bench.plan(head + IMAGE))

    assert ended.state is State.ROLLED_BACK
    assert ended.burnt
    assert bench.board.slot() == "a"
    assert bench.digest("a") == before


def test_given_a_system_that_falls_ill_long_after_when_no_reboot_helps_then_the_other_is_booted(
    bench,
):
    bench.upgrade(bench.plan())
    device, before = bench.board.slots["b"], bench.digest("a")
    device.write_bytes(two_slots.SICK + device.read_bytes()[4:])
    booted = len(bench.board.firmware.boots)

    for _ in range(180):
        bench.board.sleep(60)
        bench.wake()
    bench.board.firmware.cut_power()

    assert [each.rung for each in healing.look(bench.board).tried] == ["reboot", "fall-back"]
    assert len(bench.board.firmware.boots) - booted == 3  # With the cut, after which it stays.
    assert bench.board.slot() == "a"
    assert bench.digest("a") == before


def test_given_an_image_that_falls_ill_in_its_soak_when_ticked_then_the_old_one_is_back(bench):
    accepted, device = bench.plan(), bench.board.slots["b"]
    for verb in ("prepare", "grant"):
        bench.order(verb, accepted)
        bench.wake()
    device.write_bytes(two_slots.SICK + device.read_bytes()[4:])

    ended = bench.finish(accepted)

    assert ended.state is State.ROLLED_BACK
    assert bench.board.slot() == "a"


def test_given_no_signature_when_ordered_then_nothing_is_taken_up(bench):
    accepted = bench.plan()

    bench.order("prepare", accepted, "")

    assert bench.wake().state is State.IDLE
    assert b"\x01" not in bench.board.slots["b"].read_bytes()[:1]


def test_given_a_signature_of_another_plan_when_ordered_then_nothing_is_taken_up(bench):
    signature = bench.sign(bench.plan(id="os-2"))

    bench.order("prepare", bench.plan(), signature)

    assert bench.wake().state is State.IDLE


@pytest.mark.parametrize("fault", ["digest", "truncated", "full"])
def test_given_a_wrong_image_when_staged_then_no_slot_is_written(bench, fault):
    accepted = bench.plan(IMAGE + (bytes(8 << 20) if fault == "full" else b""))
    bench.registry.truncated = fault == "truncated"
    if fault == "digest":
        digest = hashlib.sha256(IMAGE).hexdigest()
        bench.registry.files[digest] = IMAGE[::-1]
    before = {slot: bench.digest(slot) for slot in "ab"}

    ended = bench.upgrade(accepted)

    bench.registry.files.pop(hashlib.sha256(IMAGE).hexdigest(), None)
    assert ended.state is State.FAILED_SAFE
    assert {slot: bench.digest(slot) for slot in "ab"} == before


def test_given_a_download_that_broke_off_when_tried_again_then_only_the_rest_is_fetched(
    bench, monkeypatch
):
    counted = []
    monkeypatch.setattr(tally, "fetched", lambda _, what, size: counted.append((what, size)))
    accepted = bench.plan()
    bench.registry.truncated = True
    bench.upgrade(accepted)
    bench.registry.truncated = False
    part = bench.board.path(f"{paths.STAGING}/os/root.part")
    size = part.stat().st_size if part.exists() else 0

    again = bench.upgrade(bench.plan(id="os-2", ref=accepted.targets.os.ref))

    assert 0 <= size < len(IMAGE)
    assert again.state is State.DONE
    boot = bench.board.path(f"{paths.STAGING}/os/boot.tar").stat().st_size
    assert {what for what, _ in counted} == {tally.SYSTEMS}
    assert sum(size for _, size in counted) == len(IMAGE) + boot


@pytest.mark.parametrize(
    ("image", "when"),
    [(IMAGE, "before"), (IMAGE, "after"), (two_slots.SICK + IMAGE, "after")],
    ids=["good-before", "good-after", "sick-after"],
)
def test_given_a_power_cut_at_every_write_when_power_returns_then_it_always_ends_well(
    tmp_path, key, registry, monkeypatch, image, when
):
    total = count_writes(make(tmp_path / "count", key, registry), image, monkeypatch)

    for at in range(total):
        bench = make(tmp_path / f"{at}", key, registry)
        before = bench.digest("a")
        ended = cut_at(bench, image, monkeypatch, at, when)
        assert ended.state in (State.DONE, State.ROLLED_BACK), (at, ended)
        assert bench.board.slot() == ("b" if ended.state is State.DONE else "a")
        assert bench.digest("a") == before
        assert audit.first_bad(journal.chain(bench.board)) is None
        bench.board.firmware.cut_power()
        assert bench.board.slot() == ("b" if ended.state is State.DONE else "a")

    assert total >= 20


def count_writes(bench, image, monkeypatch):
    count = 0

    def note():
        nonlocal count
        count += 1

    with watched(monkeypatch, note, lambda: None):
        bench.upgrade(bench.plan(image))
    return count


def cut_at(bench, image, monkeypatch, at, when):
    left = at + 1

    def pull():
        nonlocal left
        left -= 1
        if left == 0:
            raise signed_bench.Cut

    def pass_by():
        """Power stays on at this side of a write."""

    accepted = bench.plan(image)
    hooks = (pull, pass_by) if when == "before" else (pass_by, pull)
    with watched(monkeypatch, *hooks):
        try:
            bench.upgrade(accepted)
        except signed_bench.Cut:
            bench.board.firmware.cut_power()
    return bench.finish(accepted)


WRITES = (
    (journal, "_append"),
    (slot_disk, "_write_block"),
    (slot_boot, "disown"),
    (slot_boot, "install"),
    (slot_boot, "sync_tree"),
    (slot_boot, "set_default"),
    (trial, "begin"),
    (trial, "reboot"),
)


def watched(monkeypatch, before, after):
    """Call something around everything that changes the journal, a partition or what boots."""
    context = monkeypatch.context()
    patch = context.__enter__()
    for owner, name in WRITES:
        patch.setattr(owner, name, around(getattr(owner, name), before, after))
    return _Closing(context)


class _Closing:
    def __init__(self, context):
        self.context = context

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.context.__exit__(None, None, None)


def around(real, before, after):
    def call(*arguments, **named):
        before()
        found = real(*arguments, **named)
        after()
        return found

    return call
