"""What the steward does for the cluster: take out nodes that left, and make way for new ones.

Each call does at most one disruptive thing and says how far it is; the next hook goes on. Every
removal is judged by the quorum first.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Mapping

import addon_state
import cluster_view
import join_tokens
import joining
import membership
import microk8s
import quorum
import strays
import upkeep
import worker_access
from cluster_view import ClusterView
from edgecloud import books
from edgecloud import host as machines
from edgecloud.host import files, kubectl
from edgecloud.interfaces import cluster_join
from node_config import NodeConfig

logger = logging.getLogger(__name__)

GRACE_S = 600
"""How long a unit that was removed may take to drain and leave by itself."""

DRAIN_S = 120


METRICS_TOKEN = f"{microk8s.STATE}/metrics-token"
SAFE_SINCE = f"{microk8s.STATE}/safe-since.json"


@dataclasses.dataclass
class Steward:
    """One hook's worth of acting for the cluster, on the member that the record names."""

    host: machines.Host
    members: cluster_join.MemberEnd
    address: str
    holding: str = ""
    """Why something on the record has to wait."""
    busy: bool = False
    """Whether a change was made that others may follow."""

    def act(self, config: NodeConfig | None, view: ClusterView | None) -> bool:
        """Take out who left, make the offer that is due, care for what all share.

        Args:
            config: the options; None if they are wrong, and then nothing new is begun.
            view: the cluster as seen in this hook; None if it did not answer.

        Returns:
            Whether something was done to the cluster, so that the view no longer holds.

        Raises failures.WorkloadError for what the cluster refused; the next hook goes on.
        """
        record, mine = self.members.record(), self.members.my_acts()
        if view is None or membership.leaving(record) or record.admission is not None:
            view = cluster_view.look(self.host, live=True)
        self._adopt_addons(record)
        present = self.members.reports()
        acts = dataclasses.replace(
            mine,
            departed=tuple(unit for unit in mine.departed if unit not in present),
            gone=self._take_out(record, present, view),
            offers=self._keep_offers(record, view),
        )
        # An offer that was made must be known before anything else can fail.
        self.members.publish_acts(acts)
        acts = dataclasses.replace(
            acts, accesses=worker_access.keep(self.host, self.members, record)
        )
        self.members.publish_acts(acts)
        acts = dataclasses.replace(
            acts,
            rewritten=self._rewrite_secrets(record),
            metrics=self._share_metrics(mine),
        )
        back = strays.take_out(self.host, view, record, present, self.host.now())
        if config is None:
            return bool(acts.gone or back)
        if record.admission is None and record.turn is None and not acts.gone:
            self.busy = upkeep.ensure_cluster(self.host, config, view)
        addons = addon_state.encode(addon_state.load(self.host))
        self.members.publish_acts(
            dataclasses.replace(acts, holding=self.holding or None, addons=addons)
        )
        return self.busy or bool(acts.gone or back)

    def _adopt_addons(self, record: cluster_join.ClusterRecord) -> None:
        """Go on with the add-ons where the last steward stopped."""
        if record.addons and not self.members.my_acts().addons:
            addon_state.save(self.host, addon_state.decode(record.addons))

    def _take_out(
        self,
        record: cluster_join.ClusterRecord,
        present: Mapping[str, cluster_join.NodeReport],
        view: ClusterView,
    ) -> tuple[str, ...]:
        """Return the units whose nodes are out now."""
        gone: list[str] = []
        kubeconfig = microk8s.kubeconfig(self.host)
        for member in membership.leaving(record):
            if member.unit in present:
                progress = let_go(self.host, kubeconfig, member, view)
                if progress.gone:
                    strays.note(self.host, member)
            else:
                progress = take_out(self.host, kubeconfig, member, view, self.host.now())
            if progress.gone:
                if member.role == cluster_join.WORKER:
                    worker_access.withdraw(self.host, member.node)
                gone.append(member.unit)
            else:
                self.holding = progress.waits_for
        return tuple(sorted(gone))

    def _keep_offers(
        self, record: cluster_join.ClusterRecord, view: ClusterView
    ) -> tuple[cluster_join.JoinOffer, ...]:
        """Withdraw offers that are answered or late, make the one that is due; return the rest."""
        admission = record.admission
        kept: list[cluster_join.JoinOffer] = []
        for offer in self.members.my_offers():
            if admission and (offer.unit, offer.attempt) == (admission.unit, admission.attempt):
                kept.append(offer)
            else:
                withdraw(self.host, self.members, offer)
        join_tokens.prune(self.host, older_than_s=books.ADMISSION_S)
        if admission is not None and not kept:
            kept = self._make_offer(record, admission, view)
        return tuple(sorted(kept))

    def _make_offer(
        self,
        record: cluster_join.ClusterRecord,
        admission: cluster_join.Admission,
        view: ClusterView,
    ) -> list[cluster_join.JoinOffer]:
        """Mint a token for the admitted unit, unless the cluster cannot take a node now."""
        ghost = ghost_of(view, admission, record.members)
        if ghost is not None and may_remove_ghost(view, ghost):
            microk8s.remove_node(self.host, name=ghost.node, address=ghost.address)
        reason = reason_to_wait(view)
        if reason:
            self.holding = reason
        if reason or self.host.now() > admission.until - joining.VERIFY_S:
            return []
        url = join_tokens.mint(self.host, self.address)
        expire = datetime.datetime.fromtimestamp(admission.until, datetime.timezone.utc)
        offer = self.members.make_offer(admission.unit, admission.attempt, url, expire)
        if offer is None:
            join_tokens.revoke(self.host, url)
        return [offer] if offer else []

    def _rewrite_secrets(self, record: cluster_join.ClusterRecord) -> str | None:
        """Return for which state of encryption all secrets are written."""
        if record.encryption is None:
            return None
        import key_keeping  # Only sites that encrypt pay for it.

        return key_keeping.rewrite(self.host, self.members, record)

    def _share_metrics(self, mine: cluster_join.MemberReport) -> str | None:
        """Let workers read metrics; their own credentials cannot make a token for it."""
        if not self.members.has_workers:
            return None
        token = ensure_metrics_token(self.host)
        return self.members.share_metrics_token(token) or mine.metrics


def retire(host: machines.Host, members: cluster_join.MemberEnd) -> None:
    """Take back what this unit offered when it was the steward: joiners look to the next one."""
    join_tokens.prune(host, older_than_s=books.ADMISSION_S)
    strays.forget(host)
    offers, mine = members.my_offers(), members.my_acts()
    for offer in offers:
        withdraw(host, members, offer)
    handed_out = worker_access.retire(members)
    if offers or handed_out or mine.addons:
        # What it knew of add-ons is the next steward's to keep, and changes until its return.
        members.publish_acts(dataclasses.replace(mine, offers=(), accesses=(), addons=None))


def withdraw(
    host: machines.Host, members: cluster_join.MemberEnd, offer: cluster_join.JoinOffer
) -> None:
    """Take an offer back: remove its secret, and make its token useless if it was not used."""
    url = members.withdraw(offer)
    if url:
        join_tokens.revoke(host, url)


def ensure_metrics_token(host: machines.Host) -> str:
    """Return a token that may read metrics, kept in a file that only root may read.

    Raises access.AccessError.
    """
    import access  # Only the metrics of workers and agents need it.

    token = access.metrics_token(host, current=files.read(host, METRICS_TOKEN).strip() or None)
    host.write(METRICS_TOKEN, token + "\n", mode=0o600)
    return token


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a removal is."""

    gone: bool
    waits_for: str = ""


def take_out(
    host: machines.Host,
    kubeconfig: str,
    member: cluster_join.Member,
    view: ClusterView,
    now: float,
) -> Progress:
    """Go on taking a member out of Kubernetes and out of the datastore.

    Raises:
        microk8s.MicroK8sError: MicroK8s refused for a reason of its own.
        kubectl.KubectlError: the API did not answer.
    """
    if not view.has(member.node, member.address):
        return Progress(gone=True)
    waits_for = _must_wait(host, member, view, now)
    if waits_for:
        _help(host, kubeconfig, member, view)
        return Progress(gone=False, waits_for=waits_for)
    if view.is_ready(member.node):
        _drain(host, kubeconfig, member.node)
    microk8s.remove_node(host, name=member.node, address=member.address)
    return Progress(gone=True)


def let_go(
    host: machines.Host, kubeconfig: str, member: cluster_join.Member, view: ClusterView
) -> Progress:
    """Go on taking out a node that asked to leave and runs until it is let go.

    Nothing hurries it, so what protects its pods keeps it where it is.
    """
    if not view.has(member.node, member.address):
        return Progress(gone=True)
    if not quorum.survives_without(view.members, member.address):
        waits_for = f"removing {member.node} would cost the datastore its majority"
        return Progress(gone=False, waits_for=waits_for)
    if view.is_ready(member.node):
        try:
            kubectl.drain(host, kubeconfig, member.node, DRAIN_S, force=True)
        except kubectl.KubectlError as e:
            return Progress(gone=False, waits_for=f"{member.node} is not drained: {e}")
    microk8s.remove_node(host, name=member.node, address=member.address)
    return Progress(gone=True)


def ghost_of(
    view: ClusterView, admission: cluster_join.Admission, members: tuple[cluster_join.Member, ...]
) -> cluster_join.Member | None:
    """Return the unit about to join, if an earlier attempt or machine left something of it."""
    joiner = cluster_join.by_unit(members).get(admission.unit)
    if joiner is not None and view.has(joiner.node, joiner.address):
        return joiner
    return None


def reason_to_wait(view: ClusterView) -> str:
    """Return why nobody may join now, or nothing.

    A node that joins while a voter does not answer can cost the cluster its majority.
    """
    silent = [m.address for m in view.members if m.role is quorum.Role.VOTER and not m.alive]
    if silent:
        return f"voter {', '.join(silent)} does not answer"
    if not view.members:
        return "the datastore does not answer"
    return ""


def may_remove_ghost(view: ClusterView, ghost: cluster_join.Member) -> bool:
    """Return whether what is left of a node can be removed without harm.

    Never one that is Ready: then it is no ghost.
    """
    return not view.is_ready(ghost.node) and quorum.survives_without(view.members, ghost.address)


def _must_wait(
    host: machines.Host, member: cluster_join.Member, view: ClusterView, now: float
) -> str:
    """Return why a member cannot be taken out yet, or nothing.

    The grace begins when its departure first is safe: until then its own unit refuses to leave,
    and must have its turn before anybody takes the node out from under it.
    """
    present = view.member(member.address)
    answers = view.is_ready(member.node) or (present is not None and present.alive)
    if present is None and not answers:
        return ""
    known = files.read_state(host, SAFE_SINCE)
    if not quorum.survives_without(view.members, member.address):
        if known.pop(member.unit, None) is not None:
            files.write_state(host, SAFE_SINCE, known)
        return f"removing {member.node} would cost the datastore its majority"
    if not answers:
        return ""
    if member.unit not in known:
        known = {member.unit: now}
        files.write_state(host, SAFE_SINCE, known)
    if now < float(known[member.unit]) + GRACE_S:
        return f"{member.node} is leaving by itself"
    return ""


def _help(
    host: machines.Host, kubeconfig: str, member: cluster_join.Member, view: ClusterView
) -> None:
    """Drain a worker that is leaving: its own credentials do not let it do so."""
    node = view.node(member.node)
    if member.role == cluster_join.WORKER and node is not None and not node.cordoned:
        _drain(host, kubeconfig, member.node)


def _drain(host: machines.Host, kubeconfig: str, node: str) -> None:
    """Move the pods of a node that still runs, as far as that goes in a bounded time."""
    try:
        kubectl.drain(host, kubeconfig, node, DRAIN_S, force=True)
    except kubectl.KubectlError:
        return  # Its unit is gone from Juju: what protects its pods cannot keep the node.
