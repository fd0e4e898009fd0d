"""One hook's worth of care for the nodes that a unit hosts: build, join, replace, let go.

Each call does at most one long thing inside a node and says whether there is more to come.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import arriving
import hosted_node
import hosting
import pool_memory
import pool_plan
import pools
import renewing
import replacement
from edgecloud import host as machines
from edgecloud.interfaces.cluster_join import NodeReport
from edgecloud.lxd import errors
from edgecloud.lxd_member import guest_host, renewal
from replacement import Replacement


class End(arriving.End, Protocol):
    """What this needs of the relation to the control plane."""

    @property
    def relation(self) -> object | None:
        """The relation, if there is one."""
        ...

    def publish(self, report: NodeReport) -> bool:
        """Say something else."""
        ...


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How the pool is after a hook."""

    size: int = 0
    joined: int = 0
    waits_for: str = ""
    """What keeps it from being as it should; empty if nothing does."""
    drift: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()
    replaced: str = ""
    """What became of a replacement that ended in this hook."""
    note: str = ""
    """What an operator should set."""
    failed: str = ""
    """Why an instance is not as it should be, where LXD refuses or something is missing."""

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return not self.waits_for


class NodePool:
    """The nodes that a unit hosts.

    Args:
        host: the machine, which keeps the journals.
        pool: their instances.
        release: the MicroK8s that new nodes get.
        end: the relation to the control plane.
        guest: how a node is reached inside its instance.
        boundary: called by name before each step that changes anything; tests cut power there.
    """

    def __init__(
        self,
        host: machines.Host,
        pool: pools.Pool,
        release: renewing.Release,
        end: End,
        *,
        guest: Callable[[str], machines.Host] | None = None,
        boundary: Callable[[str], None] = lambda _: None,
    ):
        self._host = host
        self._pool = pool
        self._end = end
        self._guest = guest or self._inside
        self._boundary = boundary
        self._memory = pool_memory.Memory(host, pool.unit)
        self._present = pools.survey(pool.client, pool.unit)
        self._arrivals = arriving.Arrivals(
            self._memory,
            pool,
            release,
            end,
            self._present,
            guest=self._guest,
            boundary=boundary,
        )
        self._known, self._said = self._arrivals.known, self._arrivals.said
        self._reports, self._waits = self._arrivals.reports, self._arrivals.waits

    def act(self, size: int, *, may_start: bool = True) -> Outcome:
        """Bring the pool a step closer to this many nodes.

        Args:
            size: how many there should be.
            may_start: whether they shall run; not while this machine is evacuated.
        """
        replacing = self._memory.replacement()
        plan = self._plan(size, replacing)
        self._boundary("before nodes are built")
        built = self._pool.build(plan, may_start=may_start)
        self._waits += [f"{name}: {why}" for name, why in built.failed.items()]
        over = ""
        if may_start:
            names = [node.name for node in plan.nodes]
            self._arrivals.bring_in([name for name in names if name not in built.failed])
            over = self._replace(replacing) if replacing else ""
        replacing = self._memory.replacement()
        going = [*plan.surplus, *([replacing.going] if replacing and replacing.going else [])]
        self._publish(going)
        self._boundary("before nodes are deleted")
        self._let_go(going)
        return self._outcome(size, built, over)

    @property
    def replacing(self) -> bool:
        """Whether a node is being replaced."""
        return self._memory.replacement() is not None

    def builds(self) -> dict[str, renewing.Build]:
        """Return what runs in each node.

        Raises:
            hosted_node.NodeError: one does not answer.
        """
        return {one.name: hosted_node.build(self._guest(one.name)) for one in self._present}

    def replace(self, name: str, wish: str = "") -> Replacement:
        """Note that a new node shall take the place of one; the next hooks do it.

        Args:
            name: of the one to go.
            wish: of a plan, that it is for.

        Raises:
            pools.PoolError: another is being replaced, or there is no such node.
        """
        under_way = self._memory.replacement()
        if under_way is not None:
            raise pools.PoolError(f"{under_way.old} is being replaced: wait for its end")
        found = next((one for one in self._present if one.name == name), None)
        if found is None:
            raise pools.PoolError(f"this unit has no node {name}")
        ground = self._pool.ground
        taken = ground.taken | {one.address for one in self._present}
        spent = {*self._known, *(one.name for one in self._present)}
        made = pool_plan.node(self._pool.unit, found.slot, ground.subnet, taken=taken, spent=spent)
        now = self._host.now()
        begun = Replacement(
            name, made.name, found.slot, made.address, since=now, seen=now, wish=wish
        )
        self._memory.save(begun)
        return begun

    def _inside(self, name: str) -> machines.Host:
        return guest_host.GuestHost(self._pool.client, name)

    def _plan(self, size: int, replacing: Replacement | None) -> pool_plan.Plan:
        return pool_plan.plan(
            self._pool.unit,
            size,
            self._present,
            self._pool.ground,
            spent=set(self._known),
            replacing=replacing.names if replacing else (),
        )

    # --- letting go ----------------------------------------------------------------------------

    def _publish(self, going: list[str]) -> None:
        """Say how the nodes are. What was said of one that was not looked at still holds."""
        there = {one.name for one in pools.survey(self._pool.client, self._pool.unit)}
        for name in self._said.keys() & there:
            self._reports.setdefault(name, self._said[name])
        self._end.publish(hosting.publication(self._pool.unit, self._reports, self._known, going))

    def _let_go(self, going: list[str]) -> None:
        """Delete what the cluster let go of, or never had."""
        gone = hosting.may_go(going, self._known)
        if self._end.relation is not None and self._end.record().cluster is None:
            # The control plane has not spoken yet, so what it knows is not known.
            gone = tuple(name for name in gone if name not in self._memory.attempts())
        removed = self._pool.remove(gone)
        for name in removed:
            self._memory.note(name, None)
        left = [name for name in going if name not in gone]
        self._waits += [f"{name} is being drained" for name in left]

    # --- replacing -----------------------------------------------------------------------------

    def _replace(self, under_way: Replacement) -> str:
        """Bring a replacement a step further. Return what became of it if it is over."""
        under_way = replacement.resumed(under_way, self._host.now())
        new = pool_plan.Node(under_way.new, under_way.slot, under_way.address)
        trouble = ""
        if under_way.phase in (replacement.Phase.BUILD, replacement.Phase.JOIN):
            self._boundary("before the new node is built")
            try:
                self._pool.ensure(new)
                self._arrivals.bring_in([new.name])
            except pools.SILENT:
                raise
            except (pools.PoolError, errors.LxdError) as e:
                trouble = str(e)
        for name in under_way.names - {under_way.going}:
            if name in self._said:
                self._reports.setdefault(name, self._said[name])
        view = self._view(under_way, trouble)
        following = replacement.step(under_way, view, self._host.now())
        if following is None:
            self._boundary("before noting what that means for a plan's wish")
            self._answer(under_way)
        self._boundary(f"before noting what follows {under_way.phase.value}")
        self._memory.save(following)
        if following is not None:
            self._waits.append(f"{under_way.old} is being replaced: {following.phase.value}")
            return ""
        return replacement.result(under_way)

    def _answer(self, over: Replacement) -> None:
        """Answer the plan's wish that it was for, before this is forgotten."""
        said = renewal.answer(self._host)
        if said is None or not over.wish or over.wish != said.wish.id:
            return
        if over.phase is replacement.Phase.GIVE_UP:
            renewal.say(self._host, renewing.failed(said, replacement.result(over)))
        else:
            renewal.say(self._host, renewing.replaced(said, over.new))

    def _view(self, under_way: Replacement, trouble: str) -> replacement.View:
        there = {one.name for one in pools.survey(self._pool.client, self._pool.unit)}
        report = self._reports.get(under_way.new, NodeReport())
        return replacement.View(
            up=bool(report.ca),
            joined=hosting.is_settled(under_way.new, self._known, {under_way.new: report}),
            old_known=under_way.old in self._known,
            new_known=under_way.new in self._known,
            old_there=under_way.old in there,
            new_there=under_way.new in there,
            trouble=trouble or report.error or "",
        )

    def _outcome(self, size: int, built: pools.Outcome, over: str) -> Outcome:
        joined = sum(bool(one.joined and not one.leaving) for one in self._reports.values())
        return Outcome(
            size=size,
            joined=joined,
            waits_for="; ".join(dict.fromkeys(self._waits)),
            failed="; ".join(f"{name}: {why}" for name, why in built.failed.items()),
            drift=built.drift,
            outdated=pool_plan.outdated(self._present, self._pool.made_of),
            replaced=over,
        )
