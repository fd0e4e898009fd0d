"""The charm as Juju sees it: events in, files for the agent, databags and a status out."""

import dataclasses

import pytest
from conftest import MEMBER, PLANE, START, WORKER
from ops import testing

from edgecloud.agent import bell, journal, paths, settings, units
from edgecloud.interfaces import edge_component
from edgecloud.lxd_member import renewal
from edgecloud.rollout import inventory, messages, route, state
from edgelab import pi

SYSTEMCTL = "/usr/bin/systemctl"
ADMIN = "/var/snap/microk8s/current/credentials/client.config"
INSTALL = ("/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
VOTER = dataclasses.replace(MEMBER, role="control-plane", voter=True)


def test_given_a_fresh_machine_when_installed_then_the_agent_runs_by_path_and_timer(node):
    node.event("install")

    active = [
        node.host.run((SYSTEMCTL, "is-active", name), timeout_s=9, check=False).stdout.strip()
        for name in units.STARTED
    ]
    assert active == ["active"] * len(units.STARTED)


def test_given_the_program_in_place_when_run_then_it_reports(node):
    node.runs(WORKER).event("install").wake()

    node.event()

    assert node.said.status == "idle"


def test_given_no_principal_yet_when_looked_at_then_it_waits_for_one(node):
    node.event("start")

    assert node.status == testing.WaitingStatus("waiting for the principal to say what runs here")


def test_given_a_worker_when_told_then_the_agent_knows_its_place(node):
    node.runs(WORKER).event()

    known = settings.read(node.host)
    assert (known.name, known.node, known.worker, known.unit) == (
        "pi-0", "pi-0", True, "edge-node/0",
    )  # fmt: skip
    assert known.kubeconfig == "/root/k"


def test_given_a_mirror_and_a_metered_link_when_told_then_the_agent_knows_both(node):
    node.config = {"apt-mirror": "http://10.0.0.5/{stamp}", "metered": True}

    node.runs(WORKER).event("config_changed")

    known = settings.read(node.host)
    assert (known.apt, known.metered) == ({"url": "http://10.0.0.5/{stamp}"}, True)


def test_given_a_wrong_mirror_when_told_then_the_former_one_stays_and_it_is_said(node):
    node.config = {"apt-mirror": "http://10.0.0.5/{stamp}"}
    node.runs(WORKER).event("config_changed")
    node.config = {"apt-mirror": "http://10.0.0.5/"}

    node.event("config_changed")

    assert settings.read(node.host).apt == {"url": "http://10.0.0.5/{stamp}"}
    assert node.status.name == "blocked"
    assert "{stamp}" in node.status.message


def test_given_an_order_when_told_then_it_lies_in_the_inbox_of_root_alone(node):
    node.runs(WORKER).order("prepare").event()

    assert node.inbox.order.verb is messages.Verb.PREPARE
    assert node.host.path(paths.INBOX).stat().st_mode & 0o777 == 0o600


def test_given_a_voter_without_an_offer_when_ordered_then_it_asks_and_the_agent_waits(node):
    node.runs(PLANE).cluster_of(3).reports("idle").order("prepare", member=VOTER).event()

    assert node.wishes.way_back
    assert node.inbox is None
    assert "an offer to join the cluster again" in node.status.message
    assert "an offer to join" in node.said.reason


def test_given_a_voter_with_an_offer_when_ordered_then_the_agent_begins(node):
    given = dataclasses.replace(PLANE, way_back_until=START + 86400)

    node.runs(given).cluster_of(3).order("prepare", member=VOTER).event()

    assert node.inbox is not None


def test_given_a_voter_that_is_its_whole_cluster_when_ordered_then_it_needs_no_offer(node):
    node.runs(PLANE).cluster_of(1).order("prepare", member=VOTER).event()

    assert node.inbox is not None


def test_given_a_grant_when_handed_on_then_the_principal_is_asked_to_keep_its_hands_off(node):
    node.runs(WORKER).reports("waiting").order("grant", stamp=(1, 2)).event()

    assert node.wishes.busy


@pytest.mark.parametrize("status", ["soaking", "done", "rolled-back"])
def test_given_a_grant_that_was_used_when_all_is_over_then_the_principal_is_free(node, status):
    node.runs(WORKER).reports(status, seen=(1, 2)).order("grant", stamp=(1, 2)).event()

    assert not node.wishes.busy


def test_given_a_report_when_published_then_the_bell_need_not_ring_for_it_again(node):
    node.runs(WORKER).reports("waiting").event()

    told = node.host.read(bell.TOLD).strip()
    assert told == bell.news(messages.Report(
        messages.Status.WAITING, node.accepted.digest, "kubernetes/1.36"
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("status", "state", "doing"),
    [("disrupted", "draining", '"draining"'), ("waiting", "waiting", None)],
)
def test_given_a_disturbed_node_when_published_then_it_says_what_it_does(
    node, status, state, doing
):
    node.runs(WORKER).reports(status, state=state).event()

    assert node.controller.local_unit_data.get("doing") == doing


def test_given_a_control_plane_at_rest_when_published_then_it_tells_of_budgets_once_an_hour(node):
    node.host.run(INSTALL, timeout_s=900)
    node.world.clock.advance(120)
    node.world.tick()
    node.runs(dataclasses.replace(PLANE, kubeconfig=ADMIN)).reports("idle").event()
    first = node.said.budgets

    node.world.clock.advance(3000)
    node.event()
    soon = node.said.budgets
    node.world.clock.advance(700)
    node.event()

    assert first.blocked == ()
    assert soon == first
    assert node.said.budgets.at == first.at + 3700
    assert node.said.cluster is None  # That is for a plan, and there is none.


@pytest.mark.parametrize("component", [WORKER, None], ids=["a worker", "no Kubernetes"])
def test_given_no_control_plane_when_published_then_nobody_asks_for_budgets(node, component):
    lxd = edge_component.Component(kind="lxd", node="pi-0", role="member")
    node.runs(component or lxd).reports("idle").event()

    assert node.said.node == "pi-0"
    assert node.said.budgets is None


def test_given_the_same_facts_when_run_again_then_the_controller_is_not_woken(node):
    node.runs(WORKER).reports("waiting").order("prepare").event()
    before = dict(node.controller.local_unit_data)

    node.event()

    assert node.controller.local_unit_data == before


def test_given_a_wrong_option_when_set_then_it_blocks_and_the_former_settings_stand(node):
    node.runs(WORKER).event()
    before = node.host.read(paths.SETTINGS)

    node.config = {"clock": "sundial", "slot-a": "/dev/a"}
    node.event("config_changed")

    assert node.status.name == "blocked"
    assert "clock:" in node.status.message
    assert "slot-a, slot-b:" in node.status.message
    assert node.host.read(paths.SETTINGS) == before


def test_given_another_edge_node_on_the_machine_when_installed_then_it_blocks_and_does_nothing(
    node,
):
    node.host.write("/var/lib/edge-node/owner", "edge-node-two/0\n")
    node.host.path("/var/lib/juju/agents/unit-edge-node-two-0").mkdir(parents=True)

    node.runs(WORKER).event("install")

    assert node.status.name == "blocked"
    assert "edge-node-two/0 has this machine" in node.status.message
    assert not node.host.exists(units.PROGRAM)


def test_given_a_rival_that_was_removed_by_force_when_run_then_this_unit_takes_over(node):
    node.host.write("/var/lib/edge-node/owner", "edge-node-two/0\n")

    node.runs(WORKER).event()

    assert node.host.read("/var/lib/edge-node/owner") == "edge-node/0\n"


def test_given_systemd_that_fails_when_installed_then_the_hook_does_not(node):
    node.machine.faults.add(pi.Fault((SYSTEMCTL, "enable"), pi.fail(1, "no bus")))

    node.runs(WORKER).event("install")

    assert node.status.name == "waiting"
    assert "no bus" in node.status.message


def test_given_a_plan_that_cannot_be_read_when_told_then_the_agent_is_left_alone(node):
    node.runs(WORKER).order("prepare")
    data = {**node.controller.remote_app_data, "plan": '"{}"'}
    node.controller = dataclasses.replace(node.controller, remote_app_data=data)

    node.event()

    assert node.inbox is None
    assert "plan cannot be read" in node.status.message


def test_given_a_resting_agent_when_removed_then_nothing_of_it_is_left(node):
    node.runs(WORKER).event("install")

    node.event("stop").event("remove")

    assert not node.host.exists(units.PROGRAM)
    assert node.host.glob("/etc/systemd/system/edge-agent*") == []
    assert not node.host.exists(paths.SETTINGS)
    assert not node.host.exists("/var/lib/edge-node/owner")


def test_given_an_lxd_member_alone_when_told_then_it_goes_by_its_name_there(node):
    member = edge_component.Component(kind="lxd", node="member-1", failure_domain="rack-b")

    node.runs(member).event()

    assert node.said.node == "member-1"
    assert node.said.machine.lxd
    assert node.said.machine.domain == "rack-b"
    assert settings.read(node.host).node == ""


def test_given_an_upgrade_under_way_when_stopped_then_the_hook_fails_until_it_has_ended(node):
    node.runs(WORKER).event("install")
    at = state.Node("pi-0", state.State.APPLYING)
    journal.Journal(node.host).append(START, at, "test")

    with pytest.raises(SystemExit):
        node.event("stop")
    assert node.host.exists(units.PROGRAM)

    journal.Journal(node.host).append(START, dataclasses.replace(at, state=state.State.DONE), "t")
    node.event("stop").event("remove")
    assert not node.host.exists(units.PROGRAM)


def test_given_hosted_nodes_that_are_being_replaced_when_stopped_then_it_need_not_wait(node):
    member = edge_component.Component(kind="lxd", node="member-1")
    node.runs(member).event("install")
    renewal.want(node.host, renewal.Wish("d/hosted/1.36/0", "1.36"))
    at = route.work(node.accepted, "hosted/1.36", 0, inventory.Member("member-1", lxd=True))
    waiting = state.Node("member-1", state.State.APPLYING, work=at)
    journal.Journal(node.host).append(START, waiting, "test")

    node.event("stop").event("remove")

    assert not node.host.exists(units.PROGRAM)
    assert not node.host.exists(renewal.WISH)
