"""``curl`` on the machine's own sockets, and ``vcgencmd``: how a machine is asked how it is."""

from __future__ import annotations

import typing

from edgelab.pi import durations, eeprom, files, kube_api, paths, services
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

THROTTLED = "/run/throttled"
"""The board's word of bits, as hexadecimal text; a test writes it."""


def curl(process: Process) -> int:
    """Ask a socket of this machine whether what listens there is well."""
    url = process.argv[-1]
    if not url.startswith(("http://127.0.0.1:", "https://127.0.0.1:")):
        process.fail(f"curl: (6) Could not resolve host: {url}", 6)
    port = url.split(":")[2].split("/")[0]
    process.spend(durations.COMMAND)
    if port == "10248" and services.is_active(process.machine, "kubelite"):
        return _kubelet(process)
    if port == "16443" and _serves(process.machine):
        return 0
    process.fail(f"curl: (7) Failed to connect to 127.0.0.1 port {port}: Connection refused", 7)


def _kubelet(process: Process) -> int:
    node = process.machine.node
    if node is not None and node.sick == "silent":
        process.fail("curl: (28) Operation timed out after 5001 milliseconds", 28)
    return 0


def _serves(machine: machines.Machine) -> bool:
    return not paths.is_worker(machine) and kube_api.at(machine) != kube_api.REFUSED


def vcgencmd(process: Process) -> int:
    """Answer for the board's firmware."""
    if process.argv[1:] == ["bootloader_version"]:
        process.say(eeprom.version(process.machine).replace("-", "/") + " 12:00:00")
        return 0
    if process.argv[1:] != ["get_throttled"]:
        process.fail('error=1 error_msg="Command not registered"', 255)
    process.say(f"throttled={files.read(process.machine, THROTTLED).strip() or '0x0'}")
    return 0
