#!/usr/bin/env python3
"""Make this machine a node of the site's MicroK8s cluster, and keep it one."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import pathlib
import typing
from collections.abc import Callable

import ops

import calm
import lazily
from edgecloud import host as machines
from edgecloud.host import failures

if typing.TYPE_CHECKING:
    import cluster_view
    import join_tokens
    import joining
    import membership
    import microk8s
    import node_args
    import node_config
    import node_status
    import patience
    import quorum
    import registries
    import stewardship
    import upkeep
    import ways_back
    import worker_access
    from edgecloud.host import rejoin_offer, systemd
    from edgecloud.interfaces import cluster_join, cos_agent, edge_component
else:
    # A calm update-status needs none of these, and on a Pi an import costs as much as a command.
    cluster_view = lazily.load("cluster_view")
    join_tokens = lazily.load("join_tokens")
    joining = lazily.load("joining")
    membership = lazily.load("membership")
    microk8s = lazily.load("microk8s")
    node_args = lazily.load("node_args")
    node_config = lazily.load("node_config")
    node_status = lazily.load("node_status")
    patience = lazily.load("patience")
    quorum = lazily.load("quorum")
    registries = lazily.load("registries")
    stewardship = lazily.load("stewardship")
    upkeep = lazily.load("upkeep")
    ways_back = lazily.load("ways_back")
    worker_access = lazily.load("worker_access")
    rejoin_offer = lazily.load("edgecloud.host.rejoin_offer")
    systemd = lazily.load("edgecloud.host.systemd")
    cluster_join = lazily.load("edgecloud.interfaces.cluster_join")
    cos_agent = lazily.load("edgecloud.interfaces.cos_agent")
    edge_component = lazily.load("edgecloud.interfaces.edge_component")

logger = logging.getLogger(__name__)

CLUSTER = "cluster"
WORKERS = "workers"
CONTROL_PLANE = "control-plane"
COMPONENT = "component"
COS_AGENT = "cos-agent"
ARCHIVE = "snap-installation"

EVIDENCE = 50
"""How many departures a unit remembers; the leader needs each for a few hooks only."""

EXPECTED = (failures.WorkloadError, OSError)
"""What fails now and then on a small machine; it is said in the status and tried again."""


class EdgeMicroK8sCharm(ops.CharmBase):
    """A node of the cluster; the leader keeps the books, the steward acts for all."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._unfit = ""
        self._troubles: list[str] = []
        self._steward: stewardship.Steward | None = None
        self._calm: calm.Lines | None = None
        self._moved_on = False

        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.leader_elected,
            self.on.secret_changed,
            self.on[COMPONENT].relation_created,
            self.on[COMPONENT].relation_changed,
            self.on[COMPONENT].relation_departed,
            self.on[COS_AGENT].relation_created,
        ):
            framework.observe(event, self._on_reconcile)
        framework.observe(self.on.update_status, self._on_update_status)
        for endpoint in (CLUSTER, WORKERS, CONTROL_PLANE):
            relation = self.on[endpoint]
            framework.observe(relation.relation_created, self._on_reconcile)
            framework.observe(relation.relation_joined, self._on_reconcile)
            framework.observe(relation.relation_changed, self._on_reconcile)
            framework.observe(relation.relation_departed, self._on_departed)
        framework.observe(self.on.secret_expired, self._on_secret_expired)
        framework.observe(self.on.secret_rotate, self._on_secret_rotate)
        framework.observe(self.on.secret_remove, self._on_secret_remove)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
        for name in self.meta.actions:
            action = getattr(self.on, f"{name.replace('-', '_')}_action")
            framework.observe(action, self._on_action)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        framework.observe(self.on.collect_app_status, self._on_collect_app_status)

    # --- reconcile -------------------------------------------------------------------------

    def _on_update_status(self, event: ops.UpdateStatusEvent) -> None:
        """Look whether anything changed of which Juju does not tell."""
        self._calm = calm.still(self._host, leader=self.unit.is_leader())
        if self._calm is None:
            self._on_reconcile(event)

    def _on_reconcile(self, _: ops.EventBase) -> None:
        """Bring this machine, and what it says to the others, to where they should be."""
        if self._component.related or self._joiner.report().wants_way_back:
            self._attempt(self._pass_wishes_on)
        if self._is_disturbed:
            self._attempt(self._stand_by)
        else:
            self._bring_about()
        self._keep_books()
        if not self._is_disturbed:
            self._act_for_others()
        if self._is_joined and (self._component.related or self._cos_agent.related):
            self._attempt(self._tell_neighbours)
        if self._is_unfinished or self._waits_until is not None:
            calm.forget(self._host)
            self._attempt(self._wake_up_later)
            return
        patience.forget(self._host)
        if node_status.judge(self._facts).status == node_status.ACTIVE:
            self._attempt(self._keep_calm)
        else:
            calm.forget(self._host)

    def _bring_about(self) -> None:
        """Make this machine the node that the options ask for."""
        config = self._config
        if config is not None and not self._blockers and self._attempt(self._install, config):
            self._attempt(self._accept, config)
            self._attempt(self._configure, config)
            self._attempt(self._take_part, config)

    def _act_for_others(self) -> None:
        """Do this member's part for the cluster, then look after what stands around the node."""
        if self._is_steward and self._is_installed:
            self._attempt(self._act_for_all)
        elif self._role == cluster_join.CONTROL_PLANE:
            self._attempt(self._retire)
        if self._role == cluster_join.CONTROL_PLANE and self._is_joined and self._is_installed:
            self._attempt(self._offer_ways_back)
        if self._config is not None and self._is_joined and not self._blockers:
            self._attempt(self._look_after, self._config)

    def _pass_wishes_on(self) -> None:
        """Tell the other units what the agent on this machine needs; keep its way back."""
        wanted = self._wants_way_back
        joining.say_wishes(self._joiner, way_back=wanted, busy=self._is_disturbed)
        ways_back.ensure_file(self._host, self._joiner, wanted=wanted)

    def _stand_by(self) -> None:
        """Keep the hands off a machine that its agent disturbs; look at everything after."""
        upkeep.forget_checks(self._host)

    def _offer_ways_back(self) -> None:
        ways_back.keep(self._host, self._members, self._address)

    def _attempt(self, step: Callable[..., None], *arguments: node_config.NodeConfig) -> bool:
        """Take a step; note what is expected to fail now and then instead of failing the hook."""
        try:
            step(*arguments)
        except upkeep.NotFitError as e:
            self._unfit = str(e)
            return False
        except EXPECTED as e:
            logger.warning("%s: %s", step.__name__.strip("_").replace("_", " "), e)
            self._troubles.append(_one_line(str(e)))
            return False
        return True

    def _install(self, config: node_config.NodeConfig) -> None:
        """Ensure that MicroK8s is there and held; what it is born with stays."""
        if node_args.birth(self._host).role is not None:
            return
        self.unit.status = ops.MaintenanceStatus(f"installing MicroK8s {config.full_channel}")
        upkeep.install(self._host, config, self._domain(config), archive=self._archive())
        node_args.ensure_birth(self._host, config)

    def _accept(self, config: node_config.NodeConfig) -> None:
        """Remember the channel: an upgrade past it does not make it a wrong one."""
        upkeep.accept_channel(self._host, config.channel)

    def _configure(self, config: node_config.NodeConfig) -> None:
        """Ensure MicroK8s' files; restart at once only where nobody else depends on it."""
        credentials = self._credentials(config)
        upkeep.ensure_files(self._host, config, self._domain(config), credentials)
        self._ensure_encryption()
        if config.is_worker or not self._is_joined:
            upkeep.use_turn(self._host)

    def _take_part(self, config: node_config.NodeConfig) -> None:
        """Say who this node is; join, or restart, when it is this unit's turn."""
        upkeep.note_launch(self._host)
        if joining.try_to_join(self._host, self._joiner, config.role):
            self._look_again()
        turn = self._joiner.record().turn
        has_turn = turn is not None and turn.unit == self.unit.name
        if has_turn and upkeep.wants_turn(self._host, config, [self._address]):
            self._attempt(self._use_turn)
        due = self._is_joined and upkeep.wants_turn(self._host, config, [self._address])
        joining.say(
            self._host,
            self._joiner,
            self._view,
            unit=self.unit.name,
            address=self._address,
            role=config.role,
            # Who restarted gives its turn back only when it is ready again.
            wants_turn=due or (has_turn and not self._is_ready),
        )

    def _use_turn(self) -> None:
        """Restart what is due, unless another voter is away already."""
        view = cluster_view.look(self._host, live=True)
        if not quorum.can_spare(view.members, self._address):
            self._troubles.append("waits with a restart until all voters of the datastore answer")
            return
        self.unit.status = ops.MaintenanceStatus("restarting MicroK8s, as its turn has come")
        upkeep.use_turn(self._host)
        self._look_again()

    def _keep_books(self, *, rotate: bool = False) -> None:
        """As the leader, decide who belongs to the cluster and who may join next."""
        if self._role != cluster_join.CONTROL_PLANE or not self.unit.is_leader():
            return
        if not self.model.relations[CLUSTER]:
            return  # As in install: there is no book to write in yet.
        record = membership.plan(
            self._members.record(),
            reports=self._members.reports(),
            acts=self._members.member_reports(),
            leader=self.unit.name,
            now=self._host.now(),
        )
        wanted = self._config.encrypt_secrets if self._config is not None else None
        if wanted or record.encryption is not None:
            import key_keeping  # Only sites that encrypt pay for it.

            record = key_keeping.plan(self._members, record, wanted=wanted, rotate=rotate)
        self._moved_on = self._members.publish(record)

    def _act_for_all(self) -> None:
        """As the steward, act for the cluster."""
        self._steward = stewardship.Steward(self._host, self._members, self._address)
        if self._steward.act(self._config, self._view):
            self._look_again()

    def _retire(self) -> None:
        stewardship.retire(self._host, self._members)

    def _look_after(self, config: node_config.NodeConfig) -> None:
        """Ensure what stands around the node."""
        record = self._joiner.record()
        known = [member.address for member in record.members]
        known += [report.address for report in self._members.reports().values() if report.address]
        known += [endpoint.rpartition(":")[0] for endpoint in record.endpoints]
        upkeep.ensure_guards(self._host, config, {self._address, *known})
        if config.is_worker:
            microk8s.ensure_endpoints(self._host, record.endpoints)
            worker_access.ensure_kubeconfig(self._host, self._joiner)
        domain = self._domain(config).name
        if self._is_ready and upkeep.ensure_marks(self._host, config, domain, self._view):
            self._look_again()

    def _tell_neighbours(self) -> None:
        """Tell the charms beside this one what runs here, and where its metrics are."""
        import neighbours  # Not every machine has any.

        config = self._config
        component = neighbours.component(
            self._host,
            self._component.published(),
            config=config,
            view=self._view,
            role=self._role,
            domain=self._domain(config).name if config else "",
            address=self._address,
        )
        self._component.publish(component)
        if config is not None and self._view is not None and self._cos_agent.related:
            token = self._joiner.metrics_token() if config.is_worker else None
            jobs = neighbours.scrape_jobs(self._host, config, token=token)
            self._cos_agent.publish(jobs=jobs, alert_rules={}, dashboards=())

    def _keep_calm(self) -> None:
        """Note that all is well, so that the next update-status has little to do."""
        line = node_status.judge(self._facts)
        who = ("unit", "app") if self.unit.is_leader() else ("unit",)
        lines = {each: [line.status, line.message] for each in who}
        if self._view is not None:
            leader = self.unit.is_leader()
            calm.remember(self._host, self._view.nodes, lines, leader=leader)

    def _wake_up_later(self) -> None:
        """Run this charm again soon, without keeping a hook waiting; later, if nothing moves."""
        name = f"edge-microk8s-{self.unit.name.replace('/', '-')}"
        before, now = patience.load(self._host), self._host.now()
        if self._is_unfinished:
            with_tokens = join_tokens.has_minted(self._host)
            longest_s = patience.LONGEST_WITH_TOKENS_S if with_tokens else patience.LONGEST_S
            wait = patience.after(before, self._looks, now, longest_s=longest_s)
        else:
            until = max(self._waits_until or now, now + patience.FIRST_S)
            wait = patience.Wait("", 0, until)
        if wait.until < before.until and now < before.until:
            systemd.disarm(self._host, name)
        patience.save(self._host, wait)
        systemd.arm(self._host, name, wait.until - now, systemd.dispatch_command(self.unit.name))

    @property
    def _looks(self) -> str:
        """What there is to see of all that this unit waits for."""
        facts = self._facts
        seen = (facts.record, facts.view, node_status.judge(facts), self._is_joined)
        # Who changed something for the cluster looks at once what came of it.
        acted = self._host.now() if self._steward is not None and self._steward.busy else 0
        return hashlib.sha256(repr((seen, acted)).encode()).hexdigest()

    def _ensure_encryption(self) -> None:
        """Ensure this node's keys; tell the leader with which of them its API server runs."""
        if self._members.record().encryption is None:
            return
        import key_keeping  # Only sites that encrypt pay for it.

        running = key_keeping.ensure(self._host, self._members)
        mine = self._members.my_acts()
        if mine.encryption != running:
            self._members.publish_acts(dataclasses.replace(mine, encryption=running))

    # --- departures and secrets --------------------------------------------------------------

    def _on_departed(self, event: ops.RelationDepartedEvent) -> None:
        """Note who left. Only that counts as evidence; who leaves notes nobody."""
        if event.departing_unit is None or event.departing_unit == self.unit:
            return
        if self._role == cluster_join.CONTROL_PLANE:
            mine = self._members.my_acts()
            earlier = [name for name in mine.departed if name != event.departing_unit.name]
            departed = (*earlier, event.departing_unit.name)[-EVIDENCE:]
            self._members.publish_acts(dataclasses.replace(mine, departed=departed))
        self._on_reconcile(event)

    def _on_secret_expired(self, event: ops.SecretExpiredEvent) -> None:
        """Remove a join secret that nobody used in time."""
        event.secret.remove_all_revisions()

    def _on_secret_rotate(self, event: ops.SecretRotateEvent) -> None:
        """Begin with a new key for encryption at rest."""
        self._keep_books(rotate=event.secret.label == cluster_join.KEYS_LABEL)
        self._on_reconcile(event)

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        """Drop a revision that nobody reads any more."""
        event.remove_revision()

    def _on_stop(self, _: ops.StopEvent) -> None:
        """Leave the cluster in good order, or refuse to until that is safe."""
        if not self._is_installed:
            return
        import departure  # Needed once in a node's life.

        try:
            departure.leave(
                self._host,
                worker_access.kubeconfig(self._host) or microk8s.kubeconfig(self._host),
                node=microk8s.node_name(self._host),
                address=self._address,
                view=self._view and cluster_view.look(self._host, live=True),
                last=self.app.planned_units() == 0 and self._role == cluster_join.CONTROL_PLANE,
            )
        except (departure.DepartureRefusedError, *EXPECTED) as e:
            logger.error("not leaving yet, trying again: %s", e)
            self.unit.status = ops.BlockedStatus(f"not leaving yet: {e}")
            # Juju runs a hook that failed again, and the departure goes through once it is safe.
            raise SystemExit(1) from None

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Leave nothing of the cluster on this machine, its keys least of all."""
        upkeep.remove(self._host)

    # --- actions -----------------------------------------------------------------------------

    def _on_action(self, event: ops.ActionEvent) -> None:
        """Run an action; say why, without a traceback, if it is refused."""
        if self._config is None:
            event.fail("; ".join(self._blockers))
            return
        import actions  # What they need is much, and no hook needs it.

        name = event.handle.kind.removesuffix("_action").replace("_", "-")
        context = actions.Context(
            self._host, self._config, event.params, self._address, self._joiner.record()
        )
        try:
            event.set_results(actions.ACTIONS[name](context))
        except EXPECTED as e:
            event.fail(str(e))

    # --- status ------------------------------------------------------------------------------

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(self._status("unit"))
        if self._calm is None and self._is_installed and self._view is not None:
            node = self._view.node(microk8s.node_name(self._host))
            if node is not None and node.kubelet_version:
                self.unit.set_workload_version(node.kubelet_version.lstrip("v"))

    def _on_collect_app_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(self._status("app"))

    def _status(self, who: str) -> ops.StatusBase:
        if self._calm is not None:
            return ops.StatusBase.from_name(*self._calm[who])
        line = node_status.judge(self._facts)
        return ops.StatusBase.from_name(line.status, line.message)

    # --- what is known in this hook ------------------------------------------------------------

    @functools.cached_property
    def _members(self) -> cluster_join.MemberEnd:
        return cluster_join.MemberEnd(self, CLUSTER, WORKERS)

    @functools.cached_property
    def _component(self) -> edge_component.ComponentProvider:
        return edge_component.ComponentProvider(self, COMPONENT)

    @functools.cached_property
    def _cos_agent(self) -> cos_agent.CosAgentProvider:
        return cos_agent.CosAgentProvider(self, COS_AGENT)

    @functools.cached_property
    def _config(self) -> node_config.NodeConfig | None:
        """The options; None if they are wrong, and then the previous state is kept."""
        try:
            return self.load_config(node_config.NodeConfig)
        except node_config.ConfigError:
            return None

    @functools.cached_property
    def _blockers(self) -> tuple[str, ...]:
        """What the operator has to set differently."""
        try:
            config = self.load_config(node_config.NodeConfig)
        except node_config.ConfigError as e:
            return tuple(e.problems)
        if not self._is_installed:
            return ()
        found = node_config.immutable_problems(config, node_args.birth(self._host))
        node = self._view.node(microk8s.node_name(self._host)) if self._view else None
        version = node.kubelet_version if node is not None else None
        lower = node_config.track_problem(config, version, upkeep.accepted_channel(self._host))
        return (*found, *([lower] if lower else []))

    @property
    def _role(self) -> str:
        """What this node is; an option that was changed later does not make it another."""
        return node_args.birth(self._host).role or str(self.config.get("role"))

    @property
    def _is_installed(self) -> bool:
        return microk8s.authority(self._host) is not None

    @property
    def _joiner(self) -> cluster_join.JoinerEnd:
        worker = self._role == cluster_join.WORKER
        return cluster_join.JoinerEnd(self, CONTROL_PLANE if worker else CLUSTER)

    @property
    def _is_joined(self) -> bool:
        member = cluster_join.by_unit(self._joiner.record().members).get(self.unit.name)
        return member is not None and member.state == membership.JOINED

    @functools.cached_property
    def _is_disturbed(self) -> bool:
        """Whether the agent is at work on this machine: as it says, or as its files show."""
        return self._component.wishes().busy or rejoin_offer.is_under_way(self._host)

    @property
    def _wants_way_back(self) -> bool:
        """Whether the agent needs an offer to join again, or is using one."""
        if self._role != cluster_join.CONTROL_PLANE:
            return False
        return self._component.wishes().way_back or rejoin_offer.is_under_way(self._host)

    @property
    def _is_steward(self) -> bool:
        return self._members.record().steward == self.unit.name

    @property
    def _is_ready(self) -> bool:
        return self._view is not None and self._view.is_ready(microk8s.node_name(self._host))

    @property
    def _waits_until(self) -> float | None:
        """When an add-on that failed is to be tried again; None if nothing has a date."""
        return upkeep.waits_until(self._host) if self._is_steward else None

    @property
    def _is_unfinished(self) -> bool:
        """Whether there is work that no event of Juju's will call this charm for."""
        facts = self._facts
        record = facts.record
        # A refusal without a date waits for the operator, whose change is an event of its own.
        timed = any(refusal.not_before > self._host.now() for refusal in record.refusals)
        waits = record.admission or timed or membership.leaving(record)
        busy = self._steward is not None and (self._steward.busy or bool(waits))
        late = node_status.judge(facts).status in (node_status.WAITING, node_status.MAINTENANCE)
        # Who disturbs this machine tells it when that ends.
        late = late and not facts.disturbed
        turn = record.turn is not None and (self._is_steward or record.turn.unit == facts.unit)
        # Nobody tells the leader of what it published itself.
        return busy or late or turn or self._moved_on or join_tokens.has_minted(self._host)

    @functools.cached_property
    def _address(self) -> str:
        binding = self.model.get_binding(CLUSTER)
        assert binding is not None
        return str(binding.network.bind_address)

    @functools.cached_property
    def _view(self) -> cluster_view.ClusterView | None:
        return joining.look(self._host)

    def _look_again(self) -> None:
        """Forget how the cluster looked before something was done to it."""
        self.__dict__.pop("_view", None)

    @property
    def _facts(self) -> node_status.Facts:
        config, installed = self._config, self._is_installed
        workers_alone = self._role == cluster_join.WORKER and self._joiner.relation is None
        missing = ("missing relation: control-plane",) if workers_alone else ()
        unfit = (self._unfit,) if self._unfit else ()
        if config is not None and installed:
            unfit += upkeep.missing_addons(self._host, config, steward=self._is_steward)
        notes = self._notes(config) if config is not None and installed else ()
        return node_status.Facts(
            unit=self.unit.name,
            role=self._role,
            blockers=(*self._blockers, *unfit, *missing),
            installed=installed,
            troubles=tuple(self._troubles),
            node=microk8s.node_name(self._host),
            record=self._joiner.record(),
            view=self._view if installed else None,
            holding=self._steward.holding if self._steward else "",
            speaks_for_all=self._role == cluster_join.CONTROL_PLANE and self.unit.is_leader(),
            notes=notes,
            disturbed=self._is_disturbed,
            launching=upkeep.launch_problem(self._host) if installed else "",
        )

    def _notes(self, config: node_config.NodeConfig) -> tuple[str, ...]:
        """What is worth knowing but stops nothing."""
        found = upkeep.notes(self._host, config, steward=self._is_steward)
        node = self._view.node(microk8s.node_name(self._host)) if self._view else None
        ahead = node_config.track_note(config, node.kubelet_version if node else None)
        return (*found, *([ahead] if ahead else []))

    def _domain(self, config: node_config.NodeConfig) -> node_args.Domain:
        zone = ops.JujuContext.from_environ().availability_zone or ""
        hostname = microk8s.node_name(self._host)
        return node_args.domain(config.failure_domain, zone=zone, hostname=hostname)

    def _archive(self) -> pathlib.Path | None:
        """The air-gap archive; None if none is attached."""
        try:
            return self.model.resources.fetch(ARCHIVE)
        except (ops.ModelError, NameError):
            return None

    def _credentials(self, config: node_config.NodeConfig) -> tuple[registries.Credential, ...]:
        """The names and passwords for registries, out of the operator's secret."""
        if config.registry_credentials is None:
            return ()
        try:
            content = config.registry_credentials.get_content(refresh=True)
        except (ops.SecretNotFoundError, ops.ModelError) as e:
            raise registries.RegistriesError(
                "registry-credentials cannot be read: 'juju grant-secret' it to this application"
            ) from e
        return registries.parse_credentials(content)


def _one_line(text: str) -> str:
    """Return what a command said in a line: the first, and the last of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys((*lines[:1], *lines[-1:])))


if __name__ == "__main__":  # pragma: nocover
    ops.main(EdgeMicroK8sCharm)
