"""``curl``, on the machine's own sockets and to others' datastores, and ``vcgencmd``.

They are how a machine is asked how it is.
"""

from __future__ import annotations

import typing

from edgelab.pi import board, durations, eeprom, files, firewall, kube_api, paths, services
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

THROTTLED = board.THROTTLED
TIMED_OUT = 28
NO_CERTIFICATE = 56
"""What curl exits with when a server that it reached wants a certificate it does not have."""


def curl(process: Process) -> int:
    """Ask a socket of this machine, or another's datastore, whether what listens is well."""
    url = process.argv[-1]
    if url.endswith(":19001/"):
        return _datastore(process, url.partition("://")[2].partition(":")[0])
    if not url.startswith(("http://127.0.0.1:", "https://127.0.0.1:")):
        process.fail(f"curl: (6) Could not resolve host: {url}", 6)
    port = url.split(":")[2].split("/")[0]
    process.spend(durations.COMMAND)
    if port == "10248" and services.is_active(process.machine, "kubelite"):
        return _kubelet(process)
    if port == "16443" and _serves(process.machine):
        return 0
    process.fail(f"curl: (7) Failed to connect to 127.0.0.1 port {port}: Connection refused", 7)


def _datastore(process: Process, address: str) -> int:
    """Knock at a member of the datastore, which lets in nobody without its certificate."""
    is_own = address == "127.0.0.1"
    target = process.machine if is_own else process.world.machine_at(address)
    there = target is not None and process.world.reaches(process.machine, target)
    if target is None or not there or not firewall.admits(target, process.machine.address, 19001):
        process.spend(float(process.argv[process.argv.index("--max-time") + 1]))
        process.fail(f"curl: ({TIMED_OUT}) Connection timed out", TIMED_OUT)
    process.spend(durations.COMMAND)
    if not services.is_active(target, "k8s-dqlite"):
        process.fail(f"curl: (7) Failed to connect to {address} port 19001", 7)
    process.fail(f"curl: ({NO_CERTIFICATE}) alert certificate required", NO_CERTIFICATE)


def _kubelet(process: Process) -> int:
    node = process.machine.node
    if node is not None and node.sick == "silent":
        process.fail("curl: (28) Operation timed out after 5001 milliseconds", 28)
    return 0


def _serves(machine: machines.Machine) -> bool:
    return not paths.is_worker(machine) and kube_api.at(machine) != kube_api.REFUSED


def vcgencmd(process: Process) -> int:
    """Answer for the board's firmware."""
    if process.argv[1:] == ["bootloader_version"] and board.has_eeprom(process.machine):
        return eeprom.say_version(process)
    if process.argv[1:] == ["pmic_read_adc"] and board.is_five(process.machine):
        process.say(board.rails(process.machine))
        return 0
    if process.argv[1:] != ["get_throttled"]:
        process.fail('error=1 error_msg="Command not registered"', 255)
    process.say(f"throttled={files.read(process.machine, THROTTLED).strip() or '0x0'}")
    return 0
