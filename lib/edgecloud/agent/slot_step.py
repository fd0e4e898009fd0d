"""A step of the operating system on a machine with two: write the other, try it once, keep it.

The image is pinned by a digest in a plan that somebody signed. It is written to the slot that
neither runs nor is the default, read back, and tried once; it becomes the default only after it
was found well. Whatever happens before that, the boot loader falls back by itself.
"""

from __future__ import annotations

import functools
import pathlib
import tarfile
from collections.abc import Mapping

from edgecloud.agent import boot_loader, paths, registry, slot_boot, slot_disk, tally, trial
from edgecloud.agent import context as contexts
from edgecloud.agent.context import Context, EffectError, Look
from edgecloud.host import files
from edgecloud.rollout import plan as plans

_NOTE = f"{paths.HOME}/slot.json"
_FOLDER = f"{paths.STAGING}/os"


def _look(context: Context) -> Look:
    machine, boot = context.machine, _boot(context)
    slot = slot_boot.running(machine)
    note = files.read_state(machine, _NOTE)
    return Look(
        running=slot_boot.artefact(machine, boot, slot) if slot else "",
        default=slot_boot.artefact(machine, boot, slot_boot.default(machine, boot)),
        staged=str(note.get("artefact", "")) if note.get("whole") else "",
    )


def _boot(context: Context) -> str:
    return context.settings.slots.get("boot", "/boot/firmware")


def _device(context: Context, slot: str) -> pathlib.Path:
    return context.machine.path(context.settings.slots[slot])


def _check(context: Context) -> None:
    machine, slots = context.machine, context.settings.slots
    if not all(slots.get(slot) for slot in slot_boot.SLOTS):
        raise EffectError("this machine has no two slots")
    if context.settings.sign != "required":
        raise EffectError("an image is only taken from a plan that must be signed")
    boot_loader.check(context)
    slot = slot_boot.running(machine)
    if not slot or slot != slot_boot.default(machine, _boot(context)):
        raise EffectError("what runs is not what the next boot would run")


def _target_slot(context: Context) -> str:
    """Return the slot to write: neither the one that runs nor the default."""
    machine = context.machine
    slot = slot_boot.running(machine)
    if not slot or slot != slot_boot.default(machine, _boot(context)):
        raise EffectError("there is no slot that may be written now")
    return slot_boot.other(slot)


def _stage(context: Context) -> None:
    machine, ref = context.machine, _ref(context.plan)
    slot = _target_slot(context)
    folder = machine.path(_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    image, archive = folder / "root", folder / "boot.tar"
    count = functools.partial(tally.fetched, machine, tally.SYSTEMS)
    fetch = registry.Fetch(ref, context.plan.floors.download_kib_s, context.sleep, count)
    try:
        artefact = registry.resolve(ref)
        if artefact.root is None:
            raise registry.RegistryError("the manifest names no root file system", wrong=True)
        fetch(artefact.boot, archive)
        fetch(artefact.root, image)
    except registry.RegistryError as e:
        raise EffectError(str(e), burns=e.wrong) from e
    note = {"artefact": context.work.target, "slot": slot, "size": artefact.root.size}
    note["sha256"] = artefact.root.digest
    files.write_state(machine, _NOTE, {**note, "whole": False})
    slot_boot.disown(machine, _boot(context), slot)
    _write(context, image, slot, note)
    files.write_state(machine, _NOTE, {**note, "whole": True})
    image.unlink()


def _ref(plan: plans.Plan) -> str:
    return (plan.targets.os.ref if plan.targets.os else None) or ""


def _write(context: Context, image: pathlib.Path, slot: str, note: Mapping[str, object]) -> None:
    try:
        slot_disk.write(image, _device(context, slot))
    except slot_disk.DiskError as e:
        raise EffectError(str(e), burns=True) from e
    _verify(context, slot, note)


def _verify(context: Context, slot: str, note: Mapping[str, object]) -> None:
    found = slot_disk.digest(_device(context, slot), int(str(note["size"])))
    if found != note["sha256"]:
        raise EffectError(f"slot {slot} does not hold what was written to it")


def _apply(context: Context) -> None:
    """Make the other slot one that can be tried; nothing is armed yet."""
    machine = context.machine
    note = files.read_state(machine, _NOTE)
    slot = _target_slot(context)
    if note.get("artefact") != context.node.target or note.get("slot") != slot:
        raise EffectError("another image is staged than was granted")
    _verify(context, slot, note)
    root = context.settings.slots.get(f"root_{slot}", context.settings.slots[slot])
    archive = machine.path(f"{_FOLDER}/boot.tar")
    try:
        slot_boot.install(
            machine, _boot(context), slot, archive, artefact=context.node.target, root=root
        )
    except (tarfile.TarError, FileNotFoundError) as e:
        raise EffectError(f"the boot files: {e}", burns=True) from e


def _reboot(context: Context) -> None:
    trial.begin(context.machine)
    context.await_reboot()


def _commit(context: Context) -> None:
    """Make the system that runs the default: one file, replaced in one step."""
    machine, boot = context.machine, _boot(context)
    slot = slot_boot.running(machine)
    if slot_boot.artefact(machine, boot, slot) != context.node.target:
        raise EffectError("what runs is not what was tried")
    slot_boot.set_default(machine, boot, slot)


def _roll_back(context: Context) -> None:
    """Boot the former system, and leave it the default. Comes here again after the reboot."""
    machine, boot = context.machine, _boot(context)
    slot = slot_boot.running(machine)
    if slot_boot.artefact(machine, boot, slot) == context.node.prior:
        slot_boot.set_default(machine, boot, slot)
        return
    former = slot_boot.other(slot)
    if slot_boot.artefact(machine, boot, former) != context.node.prior:
        raise EffectError("the former system is not in the other slot")
    slot_boot.set_default(machine, boot, former)
    trial.reboot(machine)
    context.await_reboot()


DRIVER = contexts.Driver(
    look=_look,
    check=_check,
    stage=_stage,
    back_up=contexts.nothing,
    apply=_apply,
    roll_back=_roll_back,
    reboot=_reboot,
    commit=_commit,
)
