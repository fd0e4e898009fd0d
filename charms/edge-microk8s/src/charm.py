#!/usr/bin/env python3
"""Make this machine a node of the site's MicroK8s cluster, and keep it one."""

from __future__ import annotations

import datetime
import functools
import logging
from collections.abc import Callable

import ops

import cluster_view
import departure
import joining
import membership
import microk8s
import node_status
import stewardship
from edgecloud import host as machines
from edgecloud.host import kubectl, snap, systemd
from edgecloud.interfaces import cluster_join

logger = logging.getLogger(__name__)

CLUSTER = "cluster"
WORKERS = "workers"
CONTROL_PLANE = "control-plane"

WAKE_UP_S = 20
EXPECTED = (
    microk8s.MicroK8sError,
    kubectl.KubectlError,
    snap.SnapError,
    systemd.SystemdError,
    OSError,
)
"""What fails now and then on a small machine; it is said in the status and tried again."""


class EdgeMicroK8sCharm(ops.CharmBase):
    """A node of the cluster; the leader keeps the books, the steward acts for all."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._members = cluster_join.MemberEnd(self, CLUSTER, WORKERS)
        self._troubles: list[str] = []
        self._holding = ""

        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.leader_elected,
            self.on.update_status,
            self.on.secret_changed,
        ):
            framework.observe(event, self._on_reconcile)
        for endpoint in (CLUSTER, WORKERS, CONTROL_PLANE):
            relation = self.on[endpoint]
            framework.observe(relation.relation_created, self._on_reconcile)
            framework.observe(relation.relation_joined, self._on_reconcile)
            framework.observe(relation.relation_changed, self._on_reconcile)
            framework.observe(relation.relation_departed, self._on_departed)
        framework.observe(self.on.secret_expired, self._on_secret_expired)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        framework.observe(self.on.collect_app_status, self._on_collect_app_status)

    # --- reconcile -------------------------------------------------------------------------

    def _on_reconcile(self, _: ops.EventBase) -> None:
        """Bring this machine, and what it says to the others, to where they should be."""
        if self._attempt(self._install):
            self._attempt(self._take_part)
        if self._role == cluster_join.CONTROL_PLANE:
            self._keep_books()
            if self._is_steward:
                self._attempt(self._act_for_all)
        if self._is_unfinished:
            self._attempt(self._wake_up_later)

    def _attempt(self, step: Callable[[], None]) -> bool:
        """Take a step; note what is expected to fail now and then instead of failing the hook."""
        try:
            step()
        except EXPECTED as e:
            logger.warning("%s: %s", step.__name__.strip("_"), e)
            self._troubles.append(str(e))
            return False
        return True

    def _install(self) -> None:
        """Ensure that MicroK8s is there."""
        if self._is_installed:
            return
        self.unit.status = ops.MaintenanceStatus("installing MicroK8s")
        microk8s.install(self._host, channel="1.35/stable", launch="version: 0.2.0\n")

    def _take_part(self) -> None:
        """Say who this node is, and join when it is this unit's turn."""
        end, now = self._joiner, self._host.now()
        record, offer = end.record(), end.offer()
        last = joining.last_attempt(self._host)
        if offer is not None and joining.should_join(offer, last, record, now):
            last = self._join(end, offer)
        identity = self._identity
        seen = self._sees_itself(identity)
        said = joining.report(
            identity, unit=self.unit.name, record=record, last=last, seen=seen, now=now
        )
        end.publish(said)

    def _join(self, end: cluster_join.JoinerEnd, offer: cluster_join.JoinOffer) -> joining.Attempt:
        """Use an offer, once. That it ends well says little: the facts are looked at after."""
        try:
            url = end.url(offer)
        except (ops.SecretNotFoundError, ops.ModelError) as e:
            logger.warning("the join secret of attempt %d cannot be read: %s", offer.attempt, e)
            return joining.last_attempt(self._host)
        attempt = joining.Attempt(offer.attempt, self._host.now())
        joining.remember(self._host, attempt)
        self.unit.status = ops.MaintenanceStatus("joining the cluster")
        try:
            microk8s.join(self._host, url, worker=self._role == cluster_join.WORKER)
        except microk8s.MicroK8sError as e:
            microk8s.clear_stale_join(self._host)
            attempt = joining.Attempt(offer.attempt, attempt.at, str(e))
            joining.remember(self._host, attempt)
        self.__dict__.pop("_view", None)
        return attempt

    def _keep_books(self) -> None:
        """As the leader, decide who belongs to the cluster and who may join next."""
        if not self.unit.is_leader():
            return
        record = membership.plan(
            self._members.record(),
            reports=self._members.reports(),
            acts=self._members.member_reports(),
            leader=self.unit.name,
            now=self._host.now(),
        )
        self._members.publish(record)

    def _act_for_all(self) -> None:
        """As the steward, take out who left and make the one offer that is due."""
        record, mine = self._members.record(), self._my_acts
        view = cluster_view.look(self._host, live=bool(membership.leaving(record)))
        gone = self._take_out(record, view)
        offers = self._keep_offers(record, view)
        departed = tuple(unit for unit in mine.departed if unit not in self._members.reports())
        self._members.publish_acts(
            cluster_join.MemberReport(
                departed=departed, offers=offers, gone=gone, holding=self._holding or None
            )
        )

    def _take_out(
        self, record: cluster_join.ClusterRecord, view: cluster_view.ClusterView
    ) -> tuple[str, ...]:
        """Return the units whose nodes are out now."""
        gone: list[str] = []
        for member in membership.leaving(record):
            kubeconfig = microk8s.kubeconfig(self._host)
            progress = stewardship.take_out(self._host, kubeconfig, member, view, self._host.now())
            if progress.gone:
                gone.append(member.unit)
            else:
                self._holding = progress.waits_for
        return tuple(sorted(gone))

    def _keep_offers(
        self, record: cluster_join.ClusterRecord, view: cluster_view.ClusterView
    ) -> tuple[cluster_join.JoinOffer, ...]:
        """Withdraw offers that are answered or late, make the one that is due; return the rest."""
        admission = record.admission
        kept: list[cluster_join.JoinOffer] = []
        for offer in self._members.my_offers():
            if admission and (offer.unit, offer.attempt) == (admission.unit, admission.attempt):
                kept.append(offer)
            else:
                self._withdraw(offer)
        microk8s.prune_tokens(self._host, older_than_s=membership.ADMISSION_S)
        if admission is not None and not kept:
            kept = self._make_offer(record, admission, view)
        return tuple(sorted(kept))

    def _make_offer(
        self,
        record: cluster_join.ClusterRecord,
        admission: cluster_join.Admission,
        view: cluster_view.ClusterView,
    ) -> list[cluster_join.JoinOffer]:
        """Mint a token for the admitted unit, unless the cluster cannot take a node now."""
        ghost = stewardship.ghost_of(view, admission, record.members)
        if ghost is not None and stewardship.may_remove_ghost(view, ghost):
            microk8s.remove_node(self._host, name=ghost.node, address=ghost.address)
        self._holding = stewardship.reason_to_wait(view)
        if self._holding or self._host.now() > admission.until - joining.VERIFY_S:
            return []
        url = microk8s.mint(self._host, self._address)
        expire = datetime.datetime.fromtimestamp(admission.until, datetime.timezone.utc)
        offer = self._members.make_offer(admission.unit, admission.attempt, url, expire)
        if offer is None:
            microk8s.revoke(self._host, url)
        return [offer] if offer else []

    def _withdraw(self, offer: cluster_join.JoinOffer) -> None:
        url = self._members.withdraw(offer)
        if url:
            microk8s.revoke(self._host, url)

    def _wake_up_later(self) -> None:
        """Run this charm again soon, without keeping a hook waiting."""
        name = f"edge-microk8s-{self.unit.name.replace('/', '-')}"
        systemd.arm(self._host, name, WAKE_UP_S, systemd.dispatch_command(self.unit.name))

    # --- departures ------------------------------------------------------------------------

    def _on_departed(self, event: ops.RelationDepartedEvent) -> None:
        """Note who left. Only that counts as evidence; who leaves notes nobody."""
        if event.departing_unit is None or event.departing_unit == self.unit:
            return
        mine = self._my_acts
        departed = tuple(sorted({*mine.departed, event.departing_unit.name}))
        self._members.publish_acts(
            cluster_join.MemberReport(departed, mine.offers, mine.gone, mine.holding)
        )
        self._on_reconcile(event)

    def _on_secret_expired(self, event: ops.SecretExpiredEvent) -> None:
        """Remove a join secret that nobody used in time."""
        event.secret.remove_all_revisions()

    def _on_stop(self, _: ops.StopEvent) -> None:
        """Leave the cluster in good order, or refuse to until that is safe."""
        if not self._is_installed:
            return
        identity = self._identity
        try:
            departure.leave(
                self._host,
                microk8s.kubeconfig(self._host),
                node=identity.node,
                address=identity.address,
                view=self._view,
                last=self.app.planned_units() == 0,
            )
        except (departure.DepartureRefusedError, *EXPECTED) as e:
            logger.error("not leaving yet, trying again: %s", e)
            self.unit.status = ops.BlockedStatus(f"not leaving yet: {e}")
            raise SystemExit(1) from None

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Leave nothing of the cluster on this machine, its keys least of all."""
        microk8s.purge(self._host)

    # --- status ----------------------------------------------------------------------------

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(_status(node_status.judge(self._facts)))
        node = self._view.node(self._identity.node) if self._view else None
        if node is not None and node.kubelet_version:
            self.unit.set_workload_version(node.kubelet_version.lstrip("v"))

    def _on_collect_app_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(_status(node_status.judge(self._facts)))

    # --- what is known in this hook ----------------------------------------------------------

    @property
    def _role(self) -> str:
        return str(self.config["role"])

    @property
    def _is_installed(self) -> bool:
        return self._host.exists(f"{microk8s.DATA}/certs/ca.crt")

    @property
    def _joiner(self) -> cluster_join.JoinerEnd:
        worker = self._role == cluster_join.WORKER
        return cluster_join.JoinerEnd(self, CONTROL_PLANE if worker else CLUSTER)

    @property
    def _my_acts(self) -> cluster_join.MemberReport:
        reports = self._members.member_reports()
        return reports.get(self.unit.name, cluster_join.MemberReport())

    @property
    def _is_steward(self) -> bool:
        return self._members.record().steward == self.unit.name

    @property
    def _is_unfinished(self) -> bool:
        """Whether there is work that no event of Juju's will call this charm for."""
        facts = self._facts
        member = cluster_join.by_unit(facts.record.members).get(self.unit.name)
        joined = member is not None and member.state == membership.JOINED
        waits = facts.record.admission or facts.record.refusals or membership.leaving(facts.record)
        status = node_status.judge(facts).status
        return status != node_status.ACTIVE or not joined or bool(self._is_steward and waits)

    @functools.cached_property
    def _address(self) -> str:
        binding = self.model.get_binding(CLUSTER)
        assert binding is not None
        return str(binding.network.bind_address)

    @property
    def _identity(self) -> joining.Identity:
        return joining.identify(self._host, address=self._address, role=self._role)

    @functools.cached_property
    def _view(self) -> cluster_view.ClusterView | None:
        try:
            return cluster_view.look(self._host)
        except EXPECTED as e:
            logger.info("the cluster does not answer: %s", e)
            return None

    def _sees_itself(self, identity: joining.Identity) -> bool:
        view = self._view
        if view is None or not view.is_ready(identity.node):
            return False
        return self._role == cluster_join.WORKER or view.member(identity.address) is not None

    @property
    def _facts(self) -> node_status.Facts:
        installed = self._is_installed
        return node_status.Facts(
            unit=self.unit.name,
            role=self._role,
            installed=installed,
            troubles=tuple(self._troubles),
            node=self._identity.node if installed else "",
            record=self._joiner.record(),
            view=self._view if installed else None,
            holding=self._holding,
            speaks_for_all=self.unit.is_leader(),
        )


def _status(line: node_status.Line) -> ops.StatusBase:
    return ops.StatusBase.from_name(line.status, line.message)


if __name__ == "__main__":  # pragma: nocover
    ops.main(EdgeMicroK8sCharm)
