"""Try the remedies of the ladder on this machine, each written down before it is tried."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from edgecloud import host
from edgecloud.agent import heal, health, paths, staged
from edgecloud.agent import settings as machine_settings
from edgecloud.host import failures, files, snap, systemd

REBOOT = (systemd.SYSTEMCTL, "reboot")

_SERVICES = {"kubelet": "kubelite", "containerd": "containerd", "datastore": "k8s-dqlite"}
_PRUNING = (
    ("/usr/bin/journalctl", "--vacuum-size=64M"),
    ("/usr/bin/apt-get", "clean"),
)
_PRUNE_S = 300

Settings = machine_settings.Settings


def look(machine: host.Host) -> heal.History:
    """Return what is remembered of this machine's illnesses."""
    return heal.read(files.read_state(machine, paths.HEALING))


def tend(machine: host.Host, settings: Settings, verdict: health.Verdict) -> heal.Rung | None:
    """Try one remedy if one is due. Return which."""
    now, failed = int(machine.now()), sorted(verdict.failed)
    before = look(machine)
    after = heal.observe(before, failed, now)
    rung = heal.choose(after, failed, now, can_fall_back=can_fall_back(machine, settings))
    if rung:
        after = heal.record(after, rung, failed, now)
    if after != before:
        _remember(machine, after)
    if rung:
        _REMEDIES[rung](machine, settings, failed)
    return rung


def is_at_an_end(machine: host.Host, verdict: health.Verdict) -> bool:
    """Return whether every remedy was tried and this machine is still ill."""
    tried = look(machine).tried
    return not verdict.is_well and bool(tried) and tried[-1].rung == heal.Rung.SHOUT.value


def _remember(machine: host.Host, history: heal.History) -> None:
    """Write the history down; a disk that is full must not keep its own cure from being tried."""
    try:
        files.write_state(machine, paths.HEALING, heal.write(history))
    except OSError:
        staged.forget(machine)
        files.write_state(machine, paths.HEALING, heal.write(history))


def _restart(machine: host.Host, settings: Settings, failed: list[str]) -> None:
    names = [f"microk8s.daemon-{_SERVICES[check]}" for check in failed if check in _SERVICES]
    _try_to_restart(machine, names)


def _restart_containerd(machine: host.Host, settings: Settings, failed: list[str]) -> None:
    _try_to_restart(machine, ["microk8s.daemon-containerd", "microk8s.daemon-kubelite"])


def _try_to_restart(machine: host.Host, names: list[str]) -> None:
    try:
        snap.restart(machine, *names)
    except snap.SnapError:
        return  # Then the next rung is due when this one's time is over.


def _prune(machine: host.Host, settings: Settings, failed: list[str]) -> None:
    staged.forget(machine)
    for command in _PRUNING:
        _try_to_run(machine, command)


def _try_to_run(machine: host.Host, command: tuple[str, ...]) -> None:
    """Run what may help; a program that this machine lacks cannot."""
    with contextlib.suppress(*failures.FAILURES):
        machine.run(command, timeout_s=_PRUNE_S, check=False)


def _reboot(machine: host.Host, settings: Settings, failed: list[str]) -> None:
    _try_to_run(machine, REBOOT)


def _fall_back(machine: host.Host, settings: Settings, failed: list[str]) -> None:
    """Boot the other system and keep it the default: this one was given every chance."""
    from edgecloud.agent import slot_boot  # Few machines have two systems.

    boot = settings.slots["boot"]
    slot_boot.set_default(machine, boot, slot_boot.other(slot_boot.default(machine, boot)))
    _try_to_run(machine, REBOOT)


def can_fall_back(machine: host.Host, settings: Settings) -> bool:
    """Return whether a whole system lies in the slot that is not the default."""
    boot = settings.slots.get("boot", "")
    if not boot:
        return False
    from edgecloud.agent import slot_boot  # Few machines have two systems.

    slot = slot_boot.default(machine, boot)
    return bool(slot) and bool(slot_boot.artefact(machine, boot, slot_boot.other(slot)))


def _shout(machine: host.Host, settings: Settings, failed: list[str]) -> None:
    """Let the board's light blink; the report says the rest."""
    if settings.lamp:
        machine.write(f"/sys/class/leds/{settings.lamp}/trigger", "heartbeat")


_REMEDIES: Mapping[heal.Rung, Callable[[host.Host, Settings, list[str]], None]] = {
    heal.Rung.RESTART: _restart,
    heal.Rung.CONTAINERD: _restart_containerd,
    heal.Rung.PRUNE: _prune,
    heal.Rung.REBOOT: _reboot,
    heal.Rung.FALL_BACK: _fall_back,
    heal.Rung.SHOUT: _shout,
}
