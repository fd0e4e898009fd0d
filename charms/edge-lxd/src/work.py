"""What a hook does on this machine, a method a step, and what it has to say about it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

import cluster_setup
import host_tuning
import installing
import joining
import lxd_config
import lxd_status
import membership
import node_profile
import pool_care
import pools
import preflight
import site_network
import stewardship
import upkeep
import view as views
from edgecloud.host import failures
from edgecloud.interfaces import cluster_join
from edgecloud.lxd import errors
from edgecloud.lxd_member import renewal
from sight import Sight

logger = logging.getLogger(__name__)

Config = lxd_config.LxdConfig

EXPECTED = (failures.WorkloadError, errors.LxdError, OSError)
"""What fails now and then on a small machine; it is said in the status and tried again."""


class Work:
    """The steps of one hook; the charm says which, and in which order.

    Args:
        sight: what is known.
        control_plane: where hosted nodes join.
        announce: says what takes long.
    """

    def __init__(
        self, sight: Sight, control_plane: cluster_join.JoinerEnd, announce: Callable[[str], None]
    ):
        self._sight, self._control_plane, self._announce = sight, control_plane, announce
        self.unfit: list[str] = []
        self.troubles: list[str] = []
        self.notes: list[str] = []
        self.holding = ""
        self.wish: renewal.Wish | None = None
        """What a plan wants of the nodes that this unit hosts."""
        self.busy = False
        self.moved_on = False

    def attempt(self, step: Callable[..., None], *arguments: Config | None) -> bool:
        """Take a step; note what is expected to fail now and then instead of failing the hook."""
        try:
            step(*arguments)
        except upkeep.UNFIT as e:
            self.unfit.append(str(e))
            return False
        except EXPECTED as e:
            logger.warning("%s: %s", step.__name__.strip("_").replace("_", " "), e)
            self.troubles.append(_one_line(str(e)))
            return False
        return True

    def install(self, config: Config) -> None:
        """Ensure that LXD is there, at the build that all members have, and held."""
        sight, revision = self._sight, ""
        if sight.snap is None:
            findings = preflight.judge(preflight.gather(sight.host))
            self.unfit += map(str, findings)
            build = membership.build_for(sight.record, sight.unit, sight.arch)
            if findings or build is None:
                return
            revision = build.revision
            self._announce(f"installing LXD {config.full_channel}")
        channel = config.full_channel
        sight.snap = installing.ensure(sight.host, sight.snap, channel, revision=revision)

    def tune(self, config: Config) -> None:
        """Set what containers share with their host."""
        host_tuning.ensure_sysctls(self._sight.host)
        if config.node_profile != node_profile.NONE or config.nodes:
            lacking = host_tuning.ensure_modules(self._sight.host, node_profile.MODULES)
            self.notes += [f"no kernel module {', '.join(lacking)}"] if lacking else []

    def take_part(self, config: Config) -> None:
        """Begin the cluster or join it, when it is this unit's turn."""
        sight = self._sight
        lxd, view, record = views.connect(sight.host), sight.view, sight.record
        if lxd is None or view is None or view.clustered:
            return
        wish = sight.wish(config)
        if membership.may_found(record, sight.unit):
            joining.found(lxd, membership.member_name(sight.unit), sight.address)
            sight.look_again()
        elif record.cluster is not None:
            upkeep.check_empty(lxd)
            own = cluster_setup.member_config(wish)
            if joining.try_to_join(sight.host, sight.peers, sight.address, own):
                sight.look_again()

    def say(self, config: Config | None) -> None:
        """Publish who this unit is, and whether it is in the cluster."""
        sight = self._sight
        fit = config is not None and not sight.blockers and not self.unfit
        said = joining.report(
            sight.host,
            sight.view,
            sight.peers.report(),
            unit=sight.unit,
            address=sight.address,
            fit=fit,
        )
        revision = sight.snap.revision if sight.snap else None
        network = sight.network(config) if config is not None and fit and sight.snap else None
        said = dataclasses.replace(said, arch=sight.arch, revision=revision, network=network)
        self.moved_on |= sight.peers.publish(said)

    def keep_books(self) -> None:
        """Decide, as the leader, who belongs to the cluster and who may join next."""
        sight = self._sight
        if sight.peers.relation is None:
            return
        record = membership.plan(
            sight.record, reports=sight.peers.reports(), leader=sight.unit, now=sight.host.now()
        )
        self.moved_on |= sight.peers.publish_record(record)

    def act_for_all(self, config: Config | None) -> None:
        """As the steward, give the cluster what it shares, and act on the books."""
        sight = self._sight
        if not sight.is_steward:
            stewardship.retire(sight.peers, views.connect(sight.host))
            return
        inside = sight.inside()
        if inside is None:
            return
        settled = False
        if config is not None and not sight.blockers:
            settled = self.attempt(self._ensure_shared, config)
        steward = stewardship.Steward(sight.host, sight.peers, *inside)
        try:
            steward.act(settled=settled)
        finally:
            self.holding, self.busy = steward.holding, steward.busy

    def look_after(self, config: Config | None) -> None:
        """Ensure what this member has for itself."""
        sight, settled = self._sight, self._sight.settled()
        if config is None or settled is None:
            return
        lxd, view = settled
        upkeep.ensure_own(sight.host, lxd, view.name, sight.wish(config), sight.address)
        self.notes += upkeep.notes(sight.host, lxd, view)

    def host_nodes(self, config: Config | None) -> None:
        """Have the nodes that this unit hosts, and have them in MicroK8s."""
        sight, settled = self._sight, self._sight.settled()
        if config is None or settled is None:
            return
        outcome = pool_care.care(
            sight.host, *settled, config, sight.pool_site, self._control_plane, self.wish
        )
        if outcome is not None:
            self.notes += pool_care.notes(outcome)
            self.busy |= not outcome.settled
            if outcome.failed:
                raise pools.PoolError(outcome.failed)

    def facts(self, *, leads: bool) -> lxd_status.Facts:
        """Return what the status is judged by."""
        sight, notes = self._sight, [*self.notes]
        config = sight.config
        if config is not None and sight.snap is not None and leads:
            units = sight.planned_units
            notes += [site_network.note(sight.record.network or "", units=units)]
            notes += ["nodes are privileged: root in one is root here"] * config.has_privileged
        installed, view = sight.snap is not None, sight.view
        is_heard = view is not None and view.is_online(membership.member_name(sight.unit))
        return lxd_status.Facts(
            unit=sight.unit,
            blockers=(*sight.blockers, *dict.fromkeys(self.unfit)),
            troubles=(*self.troubles, *map(_one_line, sight.unreadable)),
            installed=installed,
            record=sight.record,
            view=view if installed else None,
            moved="" if is_heard else sight.moved,
            laggards=upkeep.laggards(sight.peers.reports(), sight.unit),
            lost=sight.lost,
            holding=self.holding,
            speaks_for_all=leads,
            notes=tuple(note for note in notes if note),
        )

    def is_unfinished(self, *, leads: bool) -> bool:
        """Return whether there is work that no event of Juju's will call this charm for."""
        sight = self._sight
        timed = any(one.not_before > sight.host.now() for one in sight.record.refusals)
        status = lxd_status.judge(self.facts(leads=leads)).status
        late = status in (lxd_status.WAITING, lxd_status.MAINTENANCE)
        # Nobody tells the leader of what it published itself.
        return late or self.moved_on or self.busy or (sight.is_steward and timed)

    def _ensure_shared(self, config: Config) -> None:
        inside = self._sight.inside()
        assert inside is not None
        left = upkeep.ensure_shared(*inside, self._sight.wish(config))
        self.notes += [f"profile differs: {', '.join(left)}"] if left else []


def _one_line(text: str) -> str:
    """Return what a command said in a line: the first, and the last of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys((*lines[:1], *lines[-1:])))
