"""Carry a switch out on this machine: devices, nftables, the journal on disk. No Juju in here."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Callable, Iterable

import nft_switch
import switchover
from edgecloud import host as machines
from edgecloud.host import failures, files
from edgecloud.lxd import client as lxd
from edgecloud.lxd import instances
from switchover import Phase, Pulse, Service, Verdict

JOURNALS = "/var/lib/edge-lxd/switch"

PROBE_S = 1.0
PAUSE_S = 0.1


class RefusedError(failures.WorkloadError):
    """The switch was not begun; says why."""


Probe = Callable[[str, int, str], str]
"""Ask an address, a port and a path; return why there is no good answer, or nothing."""


def probe(address: str, port: int, path: str) -> str:
    """Return why an instance does not answer, or nothing if it does."""
    if not address:
        return "it has no address"
    try:
        if not path:
            socket.create_connection((address, port), PROBE_S).close()
            return ""
        connection = http.client.HTTPConnection(address, port, timeout=PROBE_S)
        with contextlib.closing(connection):
            connection.request("GET", path)
            status = connection.getresponse().status
        return "" if status < 400 else f"{path} answers {status}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__


class Switcher:
    """Carries out what the journals of this machine say.

    Args:
        host: this machine.
        client: its LXD.
        ask: how an instance is asked whether it is well.
        pause: lets time pass between two looks.
        boundary: called by name before each step that changes anything; tests cut power there.
    """

    def __init__(
        self,
        host: machines.Host,
        client: lxd.Client,
        *,
        ask: Probe = probe,
        pause: Callable[[float], None] = time.sleep,
        boundary: Callable[[str], None] = lambda _: None,
    ):
        self._host = host
        self._client = client
        self._ask = ask
        self._pause = pause
        self._boundary = boundary

    def publish(self, service: Service) -> None:
        """Note a service; :meth:`resume` leads its clients to its active instance.

        Raises:
            RefusedError: another service has the port, or there is no such instance.
        """
        for other in services(self._host):
            if other.port == service.port and other.name != service.name:
                raise RefusedError(f"port {service.port} is that of {other.name}")
        if self._find(service.active) is None:
            raise RefusedError(f"there is no instance {service.active}")
        self._write(service)

    def begin(self, service: Service, shadow: str) -> Service:
        """Note that a switch is to be made; :meth:`resume` makes it.

        Raises:
            RefusedError: it would move nothing, or a device that is not there.
        """
        if service.phase is not Phase.STEADY:
            raise RefusedError(f"{service.name} is being switched to {service.shadow} already")
        if shadow == service.active:
            raise RefusedError(f"{shadow} serves {service.name} already")
        active = self._find(service.active)
        for name, found in ((service.active, active), (shadow, self._find(shadow))):
            if found is None:
                raise RefusedError(f"there is no instance {name}")
        keys = dict(active.devices.get(service.device, {})) if active else {}
        if service.device and not keys:
            raise RefusedError(f"{service.active} has no device {service.device} of its own")
        begun = switchover.begin(service, shadow, keys, self._host.now())
        self._write(begun)
        return begun

    def resume(self) -> list[Service]:
        """Lead all clients where the journals say, and see every switch through to its end."""
        if services(self._host):
            self._point()
        return [self._see_through(service) for service in services(self._host)]

    def _see_through(self, service: Service) -> Service:
        steps = {
            Phase.CHECKING: self._check,
            Phase.MOVING: self._move,
            Phase.SOAKING: self._soak,
            Phase.RETURNING: self._return,
        }
        while service.phase is not Phase.STEADY:
            service = steps[service.phase](service)
            self._boundary(f"before noting {service.phase.value}")
            self._write(service)
        return service

    def _check(self, service: Service) -> Service:
        """Wait for the shadow. Nothing is touched before it is ready."""
        pulse = Pulse()
        while True:
            pulse = self._feel(service, service.shadow, pulse)
            verdict = switchover.check(service, pulse, self._host.now())
            if verdict is Verdict.GO_ON:
                return switchover.ready(service)
            if verdict is Verdict.GO_BACK:
                return switchover.refused(service, pulse.said)
            self._pause(PAUSE_S)

    def _move(self, service: Service) -> Service:
        """Give the shadow the device, then lead the clients to it."""
        self._boundary("before the device moves")
        self._hand_over(service, giver=service.active, taker=service.shadow)
        self._boundary("before the clients are led over")
        soaking = switchover.moved(service, self._host.now())
        self._point(instead=soaking)
        return soaking

    def _soak(self, service: Service) -> Service:
        shadow, former = Pulse(), Pulse()
        while True:
            shadow = self._feel(service, service.shadow, shadow)
            former = self._feel(service, service.active, former)
            verdict = switchover.soak(service, shadow, former, self._host.now())
            if verdict is Verdict.GO_ON:
                return switchover.done(service)
            if verdict is Verdict.GO_BACK:
                # Those who wait come first; the journal follows in a moment.
                back = switchover.returning(service, shadow.said)
                self._point(instead=back)
                return back
            self._pause(PAUSE_S)

    def _return(self, service: Service) -> Service:
        """Lead the clients back at once, then give the device back."""
        self._boundary("before the clients are led back")
        self._point(instead=service)
        self._boundary("before the device moves back")
        self._hand_over(service, giver=service.shadow, taker=service.active)
        return switchover.returned(service)

    def _feel(self, service: Service, name: str, pulse: Pulse) -> Pulse:
        failure = self._ask(self._address(name), service.target_port, service.path)
        return pulse.then(failure)

    def _hand_over(self, service: Service, *, giver: str, taker: str) -> None:
        """Move the device; never are there two that have it."""
        if not service.device:
            return
        if self._find(giver) is not None:
            instances.ensure_keys(self._client, giver, {}, {service.device: None})
        instances.ensure_keys(self._client, taker, {}, {service.device: dict(service.keys)})

    def _point(self, *, instead: Service | None = None) -> None:
        """Lead the clients of every service to who serves it."""
        known = {service.name: service for service in services(self._host)}
        if instead is not None:
            known[instead.name] = instead
        targets: dict[int, nft_switch.Target] = {}
        for service in known.values():
            address = self._address(service.serving)
            if address:
                targets[service.port] = nft_switch.Target(address, service.target_port)
        nft_switch.point(self._host, targets)

    def _find(self, name: str) -> instances.Instance | None:
        return instances.find(self._client, name)

    def _address(self, name: str) -> str:
        """Return an instance's address: the one that it is given for sure, or has now."""
        found = self._find(name)
        if found is None:
            return ""
        fixed = (one.get("ipv4.address", "") for one in found.expanded_devices.values())
        known = next((address for address in fixed if address), "")
        return known or (_first_ipv4(self._client, name) if found.running else "")

    def _write(self, service: Service) -> None:
        path = f"{JOURNALS}/{service.name}.json"
        files.write_state(self._host, path, switchover.encode(service))


def services(host: machines.Host) -> list[Service]:
    """Return the services of this machine, as their journals have them."""
    found: list[Service] = []
    for path in host.glob(f"{JOURNALS}/*.json"):
        with contextlib.suppress(ValueError, TypeError):
            found.append(switchover.decode(files.read_state(host, path)))
    return found


def find(host: machines.Host, name: str) -> Service | None:
    """Return a service by its name."""
    return next((one for one in services(host) if one.name == name), None)


def remove(host: machines.Host) -> None:
    """Leave nothing of any switch on this machine; instances keep the devices that they have."""
    journals = host.glob(f"{JOURNALS}/*.json")
    if journals:
        nft_switch.remove(host)
    for path in journals:
        host.remove(path)


def _first_ipv4(client: lxd.Client, name: str) -> str:
    interfaces: Iterable[tuple[str, ...]] = instances.state(client, name).addresses.values()
    found = (address for one in interfaces for address in one if "." in address)
    return next(found, "")
