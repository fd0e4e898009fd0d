"""A step of the kernel alone, tried once by Ubuntu's own ``piboot-try``.

The agent does what flash-kernel does: it fills ``new`` and never touches ``current``. From there
on the trial, its commit and the fall back are those of the distribution. The boot loader goes back
to ``current`` by itself, and ``piboot-try`` renames the folders once its validation, which asks
the agent's own checks, let the new kernel pass.
"""

from __future__ import annotations

import functools
import pathlib
import tarfile

from edgecloud.agent import boot_loader, kernel_boot, paths, registry, tally, trial
from edgecloud.agent import context as contexts
from edgecloud.agent.context import Context, EffectError, Look
from edgecloud.host import failures, files, systemd
from edgecloud.rollout import plan as plans

PIBOOT_TRY = "/usr/sbin/piboot-try"
VALIDATION = "piboot-try-validate.service"

_NOTE = f"{paths.HOME}/kernel.json"
_FOLDER = f"{paths.STAGING}/kernel"
_QUERY_S = 60
_VALIDATED_BY_S = 330
"""What ``piboot-validate`` waits for at most, and a little."""


def _look(context: Context) -> Look:
    machine, note = context.machine, files.read_state(context.machine, _NOTE)
    new = kernel_boot.artefact(machine, kernel_boot.NEW)
    is_bad = kernel_boot.state(machine, kernel_boot.NEW) == kernel_boot.BAD
    return Look(
        running=kernel_boot.running(machine, on_trial=trial.is_on_trial(machine)),
        default=kernel_boot.artefact(machine, kernel_boot.CURRENT),
        staged=str(note.get("artefact", "")) if note.get("whole") else "",
        undone=is_bad and new == context.work.target and bool(note.get("applied")),
    )


def _check(context: Context) -> None:
    machine = context.machine
    if not machine.exists(PIBOOT_TRY):
        raise EffectError("this system has no piboot-try; it comes with Ubuntu 25.10")
    if kernel_boot.prefixes(machine) != ("current/", "new/"):
        raise EffectError("config.txt does not name the folders current and new")
    if context.settings.sign != "required":
        raise EffectError("a kernel is only taken from a plan that must be signed")
    boot_loader.check(context)
    if kernel_boot.state(machine, kernel_boot.CURRENT) != kernel_boot.GOOD:
        raise EffectError("what the next boot would run is not known to be good")
    seen = _look(context)
    if trial.is_on_trial(machine) and seen.running != seen.default:
        raise EffectError("a kernel is on trial just now")
    waiting = kernel_boot.state(machine, kernel_boot.NEW) == kernel_boot.UNKNOWN
    if waiting and kernel_boot.artefact(machine, kernel_boot.NEW) != context.work.target:
        raise EffectError("a kernel of the distribution's is to be tried first: reboot")


def _ref(plan: plans.Plan) -> str:
    return (plan.targets.os.ref if plan.targets.os else None) or ""


def _files(context: Context) -> tuple[pathlib.Path, pathlib.Path]:
    folder = context.machine.path(_FOLDER)
    return folder / "boot.tar", folder / "modules.tar"


def _stage(context: Context) -> None:
    machine, ref = context.machine, _ref(context.plan)
    machine.path(_FOLDER).mkdir(parents=True, exist_ok=True)
    boot, modules = _files(context)
    count = functools.partial(tally.fetched, machine, tally.SYSTEMS)
    fetch = registry.Fetch(ref, context.plan.floors.download_kib_s, context.sleep, count)
    try:
        found = registry.resolve(ref)
        fetch(found.boot, boot)
        if found.modules:
            fetch(found.modules, modules)
    except registry.RegistryError as e:
        raise EffectError(str(e), burns=e.wrong) from e
    note = {"artefact": context.work.target, "boot": found.boot.digest, "whole": True}
    note["modules"] = found.modules.digest if found.modules else ""
    files.write_state(machine, _NOTE, note)


def _apply(context: Context) -> None:
    """Fill ``new``, as flash-kernel would; nothing is armed yet."""
    machine, note = context.machine, files.read_state(context.machine, _NOTE)
    if note.get("artefact") != context.node.target:
        raise EffectError("another kernel is staged than was granted")
    boot, modules = _files(context)
    pairs = [(boot, note["boot"])] + ([(modules, note["modules"])] if note["modules"] else [])
    if any(not file.exists() or registry.digest(file) != digest for file, digest in pairs):
        raise EffectError("the kernel was damaged since it was fetched")
    try:
        if note["modules"]:
            kernel_boot.install_modules(machine, modules, context.node.target)
        if not note.get("applied"):
            # What a former attempt left must not be taken for the end of this one.
            kernel_boot.clear(machine)
            files.write_state(machine, _NOTE, {**note, "applied": True})
        kernel_boot.install(machine, boot, context.node.target)
    except tarfile.TarError as e:
        raise EffectError(f"the boot files: {e}", burns=True) from e


def _reboot(context: Context) -> None:
    """Try the new kernel; ``piboot-try`` notes it as tried before it reboots."""
    _run(context, (PIBOOT_TRY, "--reboot"))
    context.await_reboot()


def _commit(context: Context) -> None:
    """Have ``piboot-try`` keep the kernel that runs, as it does at the end of its validation."""
    machine = context.machine
    if _look(context).default != context.node.target:
        command = (systemd.SYSTEMCTL, "start", VALIDATION)
        _run(context, command, context.plan.deadlines.commit_s + _VALIDATED_BY_S)
    if kernel_boot.artefact(machine, kernel_boot.CURRENT) != context.node.target:
        raise EffectError("piboot-try did not keep the kernel")


def _roll_back(context: Context) -> None:
    """Boot the former kernel. Comes here again after the reboot."""
    machine, prior = context.machine, context.node.prior
    seen = _look(context)
    if seen.default == context.node.target:
        _run(context, (PIBOOT_TRY, "--restore-old"))
    if kernel_boot.artefact(machine, kernel_boot.CURRENT) != prior:
        raise EffectError("the former kernel is not there any more")
    _run(context, (systemd.SYSTEMCTL, "stop", VALIDATION))
    if kernel_boot.artefact(machine, kernel_boot.NEW) == context.node.target:
        kernel_boot.condemn(machine)
    if seen.running == prior:
        kernel_boot.remove_modules(machine, context.node.target)
        return
    trial.reboot(machine)
    context.await_reboot()


def _run(context: Context, command: tuple[str, ...], limit_s: float = _QUERY_S) -> None:
    try:
        context.machine.run(command, timeout_s=limit_s)
    except failures.FAILURES as e:
        raise EffectError(failures.explain(e, command[0].rpartition("/")[2])) from e


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
