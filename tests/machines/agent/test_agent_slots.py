"""Two systems on the partitions of a real loop device, with power cut at each step of the way."""

import contextlib
import hashlib
import json
import pathlib
import struct
import subprocess

import pytest

from edgecloud.agent import (
    agent,
    exchange,
    journal,
    paths,
    settings,
    slot_boot,
    slot_disk,
    trial,
)
from edgecloud.rollout import audit, inventory, messages, state
from edgelab.pi import two_slots
from tests.agent import plans, signed_bench

State = state.State
OLD = "os:127.0.0.1:1/site/os@sha256:" + "0" * 64
MIB = 1 << 20
IMAGE = b"new system " * 300_000
STEPS = (
    (journal, "_append"),
    (slot_disk, "_write_block"),
    (slot_boot, "disown"),
    (slot_boot, "install"),
    (slot_boot, "set_default"),
    (trial, "begin"),
    (trial, "reboot"),
)


class Cut(BaseException):
    """Power went."""


class Counter:
    """Counts the steps, and cuts the power after one of them."""

    def __init__(self, cut_after=0):
        self.cut_after, self.count = cut_after, 0

    def around(self, real):
        def call(*arguments, **named):
            try:
                return real(*arguments, **named)
            finally:
                self.count += 1
                if self.count == self.cut_after:
                    raise Cut

        return call


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """Return the two partitions of a card, each as a loop device, as its table has them."""
    file = tmp_path_factory.mktemp("disk") / "card"
    with file.open("wb") as card:
        card.truncate(20 * MIB)
        card.write(table((1, 8), (9, 8)))
    with contextlib.ExitStack() as attached:
        yield {slot: attach(attached, file, at) for at, slot in enumerate("ab")}


def table(*parts):
    """Return a partition table; each part is its begin and its size in MiB."""
    entries = b"".join(
        struct.pack("<B3sB3sII", 0, b"", 0x83, b"", begin * 2048, size * 2048)
        for begin, size in parts
    )
    return bytes(446) + entries.ljust(64, b"\0") + b"\x55\xaa"


def attach(attached, file, at):
    """Return the device of a partition, which is gone when the stack is left."""
    entry = file.read_bytes()[446 + 16 * at : 462 + 16 * at]
    begin, size = struct.unpack("<8xII", entry)
    options = (f"--offset={begin * 512}", f"--sizelimit={size * 512}")
    command = ("losetup", "--find", "--show", *options, str(file))
    device = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    detach = ("losetup", "--detach", device)
    attached.callback(subprocess.run, detach, check=True, timeout=30)
    return pathlib.Path(device)


@pytest.fixture(scope="module")
def registry():
    made = two_slots.Registry()
    yield made
    made.close()


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return signed_bench.make_key(tmp_path_factory.mktemp("key"))


def flash(folder, disk, key):
    """Put the old system on slot a and nothing on slot b."""
    root = folder / "root"
    (root / "dev").mkdir(parents=True)
    for slot, node in disk.items():
        (root / "dev" / f"root_{slot}").symlink_to(node)
    (disk["a"]).write_bytes(b"old system ".ljust(2 * MIB, b"."))
    (disk["b"]).write_bytes(bytes(4 * MIB))
    board = two_slots.Board(root, disk)
    two_slots.flash(board, OLD)
    places = {"a": "/dev/root_a", "b": "/dev/root_b", "boot": "/boot/firmware"}
    settings.write(board, settings.Settings("pi-0", sign="required", clock="kept", slots=places))
    signed_bench.trust(board, key)
    return board


def signed_plan(registry, key, image=IMAGE):
    target = {"kind": "ab-image", "version": "26.04.2", "ref": registry.push(image)}
    accepted = plans.read("os-1", {"os": target})
    return accepted, signed_bench.signed(key, accepted)


def upgrade(board, accepted, signature, serial=0):
    """Play the coordinator until the node rests, whatever reboots it takes."""
    for _ in range(30):
        try:
            made = agent.Agent(board, settings.read(board), sleep=board.sleep)
            made.wake()
        except two_slots.Rebooted:
            continue
        if made.node.state in (State.DONE, State.ROLLED_BACK, State.FAILED_SAFE):
            return made.node
        if made.node.state in (State.IDLE, State.WAITING):
            verb = "grant" if made.node.state is State.WAITING else "prepare"
            serial += 1
            given = messages.Order(
                (1, serial), messages.Verb(verb), accepted.digest, "os/26.04.2",
                expires=1_900_000_000,
            )  # fmt: skip
            member = inventory.Member("pi-0")
            exchange.write_inbox(board, exchange.Inbox(given, accepted, member, signature))
        board.sleep(60)
    raise AssertionError(f"never rests: {made.node}")


def digest(node):
    return hashlib.sha256(node.read_bytes()).hexdigest()


def watch(monkeypatch, counter):
    for owner, name in STEPS:
        monkeypatch.setattr(owner, name, counter.around(getattr(owner, name)))


@pytest.mark.parametrize("image", [IMAGE, two_slots.SICK + IMAGE], ids=["good", "sick"])
def test_given_power_cuts_at_each_step_when_power_returns_then_the_old_slot_is_untouched(
    tmp_path, disk, registry, key, progress, monkeypatch, image
):
    accepted, signature = signed_plan(registry, key, image)
    counter = Counter()
    with monkeypatch.context() as patch:
        watch(patch, counter)
        upgrade(flash(tmp_path / "count", disk, key), accepted, signature)
    progress(f"{counter.count} steps on {disk['b']}")

    for at in range(1, counter.count + 1):
        board = flash(tmp_path / f"{at}", disk, key)
        before = digest(disk["a"])
        with monkeypatch.context() as patch, pytest.raises(Cut):
            watch(patch, Counter(at))
            upgrade(board, accepted, signature)
        board.firmware.cut_power()
        ended = upgrade(board, accepted, signature, serial=100)
        assert board.slot() == ("b" if ended.state is State.DONE else "a"), (at, ended)
        assert ended.state in (State.DONE, State.ROLLED_BACK)
        assert digest(disk["a"]) == before
        assert audit.first_bad(journal.chain(board)) is None


@pytest.mark.parametrize("fault", ["digest", "truncated", "signature", "full"])
def test_given_a_wrong_image_when_ordered_then_neither_partition_is_written(
    tmp_path, disk, registry, key, fault
):
    image = b"other system " * (1_000_000 if fault == "full" else 100_000)
    accepted, signature = signed_plan(registry, key, image)
    board = flash(tmp_path, disk, key)
    before = {slot: digest(node) for slot, node in disk.items()}
    if fault == "digest":
        registry.files[hashlib.sha256(image).hexdigest()] = image[::-1]
    registry.truncated = fault == "truncated"
    if fault == "signature":
        signature = signed_plan(registry, key, b"yet another")[1]

    with pytest.raises(AssertionError) if fault == "signature" else no_error():
        assert upgrade(board, accepted, signature).state is State.FAILED_SAFE

    registry.truncated = False
    assert {slot: digest(node) for slot, node in disk.items()} == before
    assert json.loads(board.read(paths.OUTBOX))["state"] in ("failed-safe", "idle")


def no_error():
    return contextlib.nullcontext()
