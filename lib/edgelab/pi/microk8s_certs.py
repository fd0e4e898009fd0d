"""``microk8s refresh-certs``."""

from __future__ import annotations

import math
import shutil

from edgelab.pi import certificates, durations, files, paths, services, x509
from edgelab.pi.process import Process

_NAMES = ("ca.crt", "server.crt", "front-proxy-client.crt")
_TITLES = ("CA", "server", "front proxy client")
_BACKUP = "/var/snap/microk8s/common/certs-backup"


def refresh_certs(process: Process, words: list[str]) -> int:
    """Show, renew or restore certificates."""
    check = "-c" in words or "--check" in words
    undo = "-u" in words or "--undo" in words
    wanted = _renewed(words)
    folder = next((word for word in words if word.startswith("/")), None)
    if sum((check, undo, wanted is not None)) > 1:
        process.quit("Please select only one option", 2)
    if check:
        return _check(process)
    if undo:
        return _undo(process)
    if folder is not None:
        return _install_authority(process, folder)
    if wanted is None:
        process.quit("Please use the '--cert', '--check' or '--undo' option.", 3)
    if wanted not in _NAMES:
        process.quit(f"Certificate {wanted} is not known.", 1)
    return _renew(process, wanted)


def _renewed(words: list[str]) -> str | None:
    for at, word in enumerate(words):
        if word in ("-e", "--cert"):
            return words[at + 1] if len(words) > at + 1 else ""
        if word.startswith("--cert="):
            return word.partition("=")[2]
    return None


def _check(process: Process) -> int:
    machine = process.machine
    for name, title in zip(_NAMES, _TITLES, strict=True):
        text = files.read(machine, f"{paths.CERTS}/{name}")
        left = (x509.not_after(text) - machine.now()) / durations.DAY
        process.say(f"The {title} certificate will expire in {math.floor(left)} days.")
    return 0


def _renew(process: Process, name: str) -> int:
    machine = process.machine
    _back_up(process)
    process.take("certificate")
    if name == "server.crt":
        certificates.issue_server(machine)
        services.restart(machine, "kubelite", "cluster-agent")
    elif name == "front-proxy-client.crt":
        certificates.issue(machine, name, certificates.SERVER_DAYS)
        services.restart(machine, "kubelite")
    else:
        _new_authority(process)
    process.say("The CSR is regenerated, the certificates are renewed.")
    return 0


def _new_authority(process: Process) -> None:
    """Make a new authority. Every other node must leave and join again."""
    machine = process.machine
    cluster = machine.world.clusters[machine.node.cluster] if machine.node else None
    if cluster is not None:
        cluster.ca_key = machine.world.random_hex("ca_key", 64)
        certificates.make_authority(machine, cluster)
    certificates.issue_all(machine)
    services.restart(machine)


def _back_up(process: Process) -> None:
    machine = process.machine
    if machine.free_bytes() == 0:
        process.quit("Failed to back up the certificates: No space left on device", 10)
    target = machine.path(_BACKUP)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(machine.path(paths.CERTS), target)


def _undo(process: Process) -> int:
    machine = process.machine
    if not files.exists(machine, _BACKUP):
        process.quit("No previous certificate backup found.", 1)
    shutil.copytree(machine.path(_BACKUP), machine.path(paths.CERTS), dirs_exist_ok=True)
    services.restart(machine)
    return 0


def _install_authority(process: Process, folder: str) -> int:
    machine = process.machine
    texts = [files.read(machine, f"{folder.rstrip('/')}/{name}") for name in ("ca.crt", "ca.key")]
    if not all(texts):
        process.quit(f"Could not find ca.crt and ca.key in {folder}", 30)
    if "BEGIN CERTIFICATE" not in texts[0]:
        process.quit("The certificate in ca.crt is not valid", 31)
    if "PRIVATE KEY" not in texts[1]:
        process.quit("The key in ca.key is not valid", 32)
    _back_up(process)
    for name, text in zip(("ca.crt", "ca.key"), texts, strict=True):
        files.write(machine, f"{paths.CERTS}/{name}", text, 0o660)
    certificates.issue_all(machine)
    services.restart(machine)
    return 0
