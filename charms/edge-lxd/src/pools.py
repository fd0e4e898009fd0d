"""Have the instances of a unit's pool as planned. Every step may be walked again at any time."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
from collections.abc import Mapping

import pool_plan
import pool_profile
from edgecloud.host import failures
from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, images, instances, networks, profiles

STOP_S = 60.0
"""How long the programs of a node may take to end before it is deleted."""

DEFAULT = "default"

SILENT = (errors.UnreachableError, errors.TimedOutError, errors.UnfinishedError)
"""LXD does not answer, whatever it is asked."""


class PoolError(failures.WorkloadError):
    """The pool cannot be had; says what is missing."""


class KindError(PoolError):
    """The options ask for what cannot be beside the nodes that there are."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done."""

    changed: tuple[str, ...] = ()
    """Instances that were made, started, repaired or deleted."""
    drift: tuple[str, ...] = ()
    """Keys and devices of the profile that somebody had changed; they are as before now."""
    failed: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    """By instance, why it is not as it should be. It keeps no other from being tended."""


@dataclasses.dataclass(frozen=True)
class Pool:
    """The nodes that a unit hosts."""

    client: lxd.Client
    unit: str
    shape: pool_profile.Shape
    image: str
    """Alias of the local image that nodes are made of."""
    ground: pool_plan.Ground
    member: str = ""
    """This machine's name in LXD's cluster; empty outside one."""
    recipe: str = ""
    """What else goes into a node besides the image; a node of another recipe is outdated."""

    @property
    def profile(self) -> str:
        """The name of the profile that all nodes of the application share."""
        return profile_of(self.unit)

    @property
    def made_of(self) -> str:
        """What a node is made of now; empty while there is no image to make one of."""
        found = images.alias(self.client, self.image)[:12]
        return f"{found} {self.recipe}".strip() if found else ""

    def ensure_profile(self) -> tuple[str, ...]:
        """Have the profile. Return what somebody had changed in it."""
        config = pool_profile.config(self.shape)
        devices = pool_profile.devices(self.shape, self.ground.storage)
        found = profiles.find(self.client, self.profile)
        wrong = profiles.drift(found, config, devices) if found else ()
        if found is None or wrong:
            profiles.ensure(self.client, self.profile, config, devices)
        return wrong

    def build(self, plan: pool_plan.Plan, *, may_start: bool = True) -> Outcome:
        """Have the profile and the nodes of a plan. What is surplus is not touched.

        Args:
            plan: the nodes that there should be.
            may_start: whether they shall run; not while this machine is evacuated.
        """
        if plan.nodes:
            self._check_kinds()
        drift = self.ensure_profile() if plan.nodes else ()
        tried = {node.name: self._try(node, may_start=may_start) for node in plan.nodes}
        changed = tuple(name for name, done in tried.items() if done is True)
        failed = {name: done for name, done in tried.items() if isinstance(done, str)}
        return Outcome(changed, drift, failed)

    def _try(self, node: pool_plan.Node, *, may_start: bool) -> bool | str:
        """Have a node as it should be. Return whether anything was done, or why it could not."""
        try:
            return self.ensure(node, may_start=may_start)
        except SILENT:
            raise  # It would be as silent for the others, and a hook has no time for that.
        except (PoolError, errors.LxdError) as e:
            return str(e)

    def ensure(self, node: pool_plan.Node, *, may_start: bool = True) -> bool:
        """Have a node as it should be. Return whether anything was done."""
        found = instances.find(self.client, node.name)
        if found is not None and found.config.get(pool_plan.OWNER) != self.unit:
            raise PoolError(f"the instance {node.name} is somebody else's: rename or delete it")
        if found is not None and pool_plan.WHOLE not in found.config:
            instances.ensure_absent(self.client, node.name)
            found = None
        changed = self._make(node) if found is None else self._mend(node, found)
        if may_start:
            changed = instances.ensure_running(self.client, node.name) or changed
        return changed

    def remove(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Delete nodes, disk and all. Return those that were there."""
        return tuple(name for name in names if delete(self.client, name))

    def _check_kinds(self) -> None:
        """Raise KindError if nodes of another kind are there: they cannot share a profile."""
        present = survey(self.client, self.unit)
        others = [one.name for one in present if one.kind != self.shape.kind]
        if others:
            raise KindError(f"node-type: {', '.join(others)} are of another, set nodes=0 first")

    def _make(self, node: pool_plan.Node) -> bool:
        if not images.alias(self.client, self.image):
            raise PoolError(
                f"there is no image {self.image} on this machine: import it, or set node-image"
            )
        config = pool_plan.config(self.unit, node, self.made_of)
        plan = instances.Plan(
            node.name,
            instances.Source.alias(self.image),
            kind=self.shape.kind,
            profiles=(self.profile,),
            config={key: value for key, value in config.items() if value is not None},
            devices=pool_plan.devices(node, self.ground),
            member=self.member,
        )
        instances.create(self.client, plan)
        instances.ensure_keys(self.client, node.name, {pool_plan.WHOLE: "true"}, {})
        return True

    def _mend(self, node: pool_plan.Node, found: instances.Instance) -> bool:
        """Have the keys and devices of an instance that is there. Costs no call if they are."""
        config = pool_plan.config(self.unit, node)
        devices = pool_plan.devices(node, self.ground)
        is_right = (
            all(found.config.get(key) == value for key, value in config.items())
            and found.devices == devices
            and found.profiles == (self.profile,)
        )
        if is_right:
            return False

        def change(document: dict[str, object]) -> None:
            kept = {key: value for key, value in found.config.items() if key not in config}
            wanted = {key: value for key, value in config.items() if value is not None}
            document.update(config={**kept, **wanted}, devices=devices, profiles=[self.profile])

        return instances.edit(self.client, node.name, change)


def profile_of(unit: str) -> str:
    """Return the name of the profile of an application's nodes."""
    return f"{unit.partition('/')[0]}-nodes"


def survey(client: lxd.Client, unit: str) -> tuple[pool_plan.Present, ...]:
    """Return the instances of a unit's pool, wherever in the cluster they are."""
    return tuple(
        pool_plan.Present(
            one.name,
            int(one.config.get(pool_plan.SLOT, "0")),
            one.config.get(pool_plan.ADDRESS, ""),
            one.config.get(pool_plan.MADE_OF, ""),
            one.kind,
        )
        for one in instances.every(client)
        if one.config.get(pool_plan.OWNER) == unit
    )


def ground(client: lxd.Client) -> pool_plan.Ground:
    """Return what nodes stand on: what LXD's default profile gives to every instance.

    Raises:
        PoolError: the profile has no disk or no network.
    """
    default = profiles.find(client, DEFAULT)
    devices = tuple(default.devices.values()) if default else ()
    root = next((one for one in devices if one.get("path") == "/"), None)
    nic = next((one for one in devices if one.get("type") == "nic"), None)
    if root is None or nic is None:
        raise PoolError("LXD's default profile has no root disk or no network yet")
    found = networks.find(client, nic["network"]) if "network" in nic else None
    subnet = found.config.get("ipv4.address", "") if found and found.managed else ""
    return pool_plan.Ground(
        storage=root["pool"],
        nic={key: value for key, value in nic.items() if key not in ("name", "hwaddr")},
        subnet="" if subnet in ("none", "auto") else subnet,
        taken=_taken(client, nic.get("network", "")) if subnet else frozenset(),
    )


def delete(client: lxd.Client, name: str) -> bool:
    """Delete an instance after its programs had time to end. Return whether it was there."""
    found = instances.find(client, name)
    if found is None:
        return False
    if found.running:
        # One that does not end in its time is stopped by force, as it is deleted.
        with contextlib.suppress(errors.LxdError):
            instances.ensure_stopped(client, name, timeout_s=STOP_S)
    return instances.ensure_absent(client, name)


def remove_all(client: lxd.Client, unit: str) -> tuple[str, ...]:
    """Leave nothing of a unit's pool. Return the instances that were deleted.

    The profile goes with the last unit whose nodes use it.
    """
    present = sorted(survey(client, unit), key=lambda one: (-one.slot, one.name))
    gone = tuple(one.name for one in present if delete(client, one.name))
    with contextlib.suppress(errors.InUseError):
        profiles.ensure_absent(client, profile_of(unit))
    return gone


def _taken(client: lxd.Client, network: str) -> frozenset[str]:
    """Return the addresses of a network that were given away or promised."""
    leased = {lease.address for lease in networks.leases(client, network)}
    promised = {
        device.get("ipv4.address", "")
        for one in instances.of_all_projects(client)
        for device in one.expanded_devices.values()
    }
    # One that has none, or is barred from having one, says so in words.
    return frozenset(filter(None, map(_as_address, leased | promised)))


def _as_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
