"""Small programs of the system: modprobe, apt-get, nft, hostname, sysctl, ss and their like."""

from __future__ import annotations

from edgelab.pi import files, firewall, services, telemetry
from edgelab.pi.process import Process

_PACKAGE_MODULES = {"linux-modules-extra-raspi": ("vxlan",)}
_LISTENERS = (
    ("kubelite", (16443, 10250, 10259, 10257)),
    ("cluster-agent", (25000,)),
    ("k8s-dqlite", (19001,)),
    ("apiserver-proxy", (16443,)),
    ("containerd", (1338,)),
)


def modprobe(process: Process) -> int:
    """Load a kernel module, or say with ``-n`` whether it could be."""
    dry = "-n" in process.argv or "--dry-run" in process.argv
    for name in (word for word in process.argv[1:] if not word.startswith("-")):
        if name in process.machine.missing_modules:
            process.fail(
                f"modprobe: FATAL: Module {name} not found in directory /lib/modules/6.8.0"
            )
        if not dry and name not in process.machine.loaded_modules:
            process.machine.loaded_modules.append(name)
    return 0


def apt_get(process: Process) -> int:
    """Install or remove packages; the ones that bring kernel modules do."""
    machine = process.machine
    words = [word for word in process.argv[1:] if not word.startswith("-")]
    if not words:
        process.fail("E: Invalid operation")
    process.take("apt")
    if words[0] in ("install", "update") and not machine.uplink:
        process.fail("E: Failed to fetch the archive  Temporary failure resolving", 100)
    if words[0] == "install" and machine.free_bytes() == 0:
        process.fail("E: You don't have enough free space in /var/cache/apt/archives/.", 100)
    for package in words[1:]:
        if words[0] == "install":
            machine.packages.append(package)
            for program in telemetry.PACKAGES.get(package, ()):
                files.write(machine, program, "", 0o755)
            for module in _PACKAGE_MODULES.get(package, ()):
                if module in machine.missing_modules:
                    machine.missing_modules.remove(module)
        elif words[0] in ("remove", "purge") and package in machine.packages:
            machine.packages.remove(package)
    return 0


def nft(process: Process) -> int:
    """Change the packet filter, or show it."""
    machine = process.machine
    words = process.argv[1:]
    if words[:1] == ["-c"]:
        words = words[1:]
        problem = firewall.problem(process.stdin or "")
        return 0 if problem is None else process.fail(problem)
    if words == ["-f", "-"]:
        problem = firewall.problem(process.stdin or "")
        if problem is not None:
            process.fail(problem)
        firewall.load(machine, process.stdin or "")
        machine.world.touch()
        return 0
    if words[:1] == ["-f"]:
        firewall.load(machine, machine.path(words[1]).read_text(encoding="utf-8"))
        return 0
    return _nft_words(process, [word for word in words if word not in ("-j", "-a", "-n")])


def _nft_words(process: Process, words: list[str]) -> int:
    machine = process.machine
    if words == ["list", "ruleset"]:
        process.put("".join(machine.nft.values()))
        return 0
    name = " ".join(words[2:])
    if words[:2] in (["list", "table"], ["delete", "table"]):
        if name not in machine.nft:
            process.fail("Error: No such file or directory")
        if words[0] == "list":
            process.put(machine.nft[name])
        else:
            del machine.nft[name]
        return 0
    process.fail(f"Error: syntax error, unexpected {words[:1]}")


def hostname(process: Process) -> int:
    """Print the host name, or with ``-I`` all addresses."""
    machine = process.machine
    if process.argv[1:] in (["-I"], ["--all-ip-addresses"]):
        inside = ["10.1.0.1"] if services.is_active(machine, "kubelite") else []
        process.say(" ".join([*machine.addresses(), *inside]) + " ")
    elif len(process.argv) > 1 and not process.argv[1].startswith("-"):
        machine.hostname = process.argv[1]
    else:
        process.say(machine.hostname)
    return 0


def sysctl(process: Process) -> int:
    """Accept kernel settings; inside a container the host's cannot be changed."""
    if process.machine.container_of is not None:
        process.complain('sysctl: permission denied on key "fs.aio-max-nr", ignoring')
    return 0


def ss(process: Process) -> int:
    """List what listens, as ``ss -H -ltn`` prints it."""
    machine = process.machine
    ports = [22, *machine.foreign_ports]
    for daemon, opened in _LISTENERS:
        if services.is_active(machine, daemon):
            ports += opened
    for port in sorted(set(ports)):
        process.say(f"LISTEN 0      4096         0.0.0.0:{port}       0.0.0.0:*")
    return 0


def sudo(process: Process) -> int:
    """Run a command as root, which everybody here is."""
    words = process.argv[1:]
    while words and words[0].startswith("-"):
        words = words[1:]
    result = process.world.run(
        process.machine, words, timeout_s=process.timeout_s, stdin=process.stdin
    )
    process.put(result.stdout)
    if result.stderr:
        process.complain(result.stderr.rstrip("\n"))
    return result.returncode


def juju_exec(process: Process) -> int:
    """Accept a request to Juju's agent; whoever drives the world takes it from the timers."""
    return 0


def reboot(process: Process) -> int:
    """Restart the machine."""
    process.machine.reboot()
    return 0


def true(process: Process) -> int:
    """Do nothing, successfully."""
    return 0
