import pytest

import addon_state
import archives
import cluster_view
import heartbeats
import microk8s
import node_args
import stewardship
import upkeep
from edgecloud.host import files
from edgelab import pi
from node_config import NodeConfig

DOMAIN = node_args.Domain("rack-a")
DAY = 86400


@pytest.fixture
def host(single):
    return single.host(0)


def install(host, **options):
    return upkeep.install(host, NodeConfig(**options), DOMAIN, archive=None)


def calls_of(host, act):
    """Return the commands that something ran, by their programs."""
    before = len(host.machine.world.calls)
    act()
    return [call.argv[0].rpartition("/")[2] for call in host.machine.world.calls[before:]]


# --- installing ----------------------------------------------------------------------------------


def test_given_a_fit_machine_when_installed_then_it_is_held_and_knows_its_addons(pis):
    host = pis.add(0).host(0)

    assert install(host)

    assert microk8s.info(host).held
    assert {wish.name for wish in addon_state.load(host).enabled} == {"rbac", "dns"}


def test_given_a_machine_that_is_not_fit_when_installed_then_every_remedy_is_told(pis):
    host = pis.add(0, mem_kb=430_000).host(0)
    host.machine.fill_disk()

    with pytest.raises(upkeep.NotFitError) as refusal:
        install(host)

    assert "memory" in str(refusal.value).lower()
    assert "below /var" in str(refusal.value)
    assert not pis.ran("install")


def test_given_a_worker_when_installed_then_it_takes_no_care_of_addons(pis):
    host = pis.add(0).host(0)

    install(host, role="worker")

    assert addon_state.load(host).enabled == ()


# --- this node -----------------------------------------------------------------------------------


def test_given_files_that_are_as_they_should_be_when_ensured_then_no_process_starts(host):
    config = NodeConfig()
    upkeep.ensure_files(host, config, DOMAIN, ())

    assert calls_of(host, lambda: upkeep.ensure_files(host, config, DOMAIN, ())) == []


def test_given_guards_that_stand_when_ensured_then_only_the_timer_is_asked_after(host):
    config = NodeConfig()
    upkeep.ensure_guards(host, config, ["10.20.0.11"])

    ran = calls_of(host, lambda: upkeep.ensure_guards(host, config, ["10.20.0.11"]))
    assert ran == ["systemctl"]


def test_given_another_option_when_ensured_then_a_restart_is_due_and_waits_for_its_turn(host):
    upkeep.ensure_files(host, NodeConfig(), DOMAIN, ())
    upkeep.use_turn(host)
    config = NodeConfig(autonomy="forever")

    ran = calls_of(host, lambda: upkeep.ensure_files(host, config, DOMAIN, ()))

    assert "snap" not in ran
    assert upkeep.wants_turn(host, config, ["10.20.0.11"])
    upkeep.use_turn(host)
    assert not upkeep.wants_turn(host, config, ["10.20.0.11"])


def test_given_certificates_looked_at_when_asked_again_that_day_then_they_are_not_read_again(host):
    config = NodeConfig()
    upkeep.wants_turn(host, config, ["10.20.0.11"])
    checked = files.read_state(host, upkeep.STATE)["checked"]

    host.machine.world.clock.advance(DAY / 2)
    upkeep.wants_turn(host, config, ["10.20.0.11"])
    same = files.read_state(host, upkeep.STATE)["checked"]
    host.machine.world.clock.advance(DAY)
    upkeep.wants_turn(host, config, ["10.20.0.11"])

    assert same == checked
    assert files.read_state(host, upkeep.STATE)["checked"] > checked


def test_given_a_worker_when_asked_then_it_never_wants_a_turn(with_worker):
    worker = with_worker.host(1)

    assert not upkeep.wants_turn(worker, NodeConfig(role="worker"), ["10.20.0.12"])


def test_given_labels_when_ensured_then_the_node_has_them_and_its_domain(single, host):
    config = NodeConfig(node_labels="rack=a")

    assert upkeep.ensure_marks(host, config, "rack-a", cluster_view.look(host))

    view = cluster_view.look(host)
    assert view.node("pi-0").labels["rack"] == "a"
    assert view.node("pi-0").labels["topology.kubernetes.io/zone"] == "rack-a"
    assert not upkeep.ensure_marks(host, config, "rack-a", view)


def test_given_a_node_that_is_not_registered_when_marked_then_nothing_happens(host, seen):
    assert not upkeep.ensure_marks(host, NodeConfig(), "rack-a", seen("-", "ready"))


# --- the cluster ---------------------------------------------------------------------------------


def test_given_a_wish_when_the_cluster_is_looked_after_then_one_change_is_made_at_a_time(host):
    upkeep_of = NodeConfig(addons="dns metrics-server")
    view = cluster_view.look(host)

    changes = [upkeep.ensure_cluster(host, upkeep_of, view) for _ in range(6)]

    assert changes[0]
    assert not changes[-1]
    assert "metrics-server" in {wish.name for wish in addon_state.load(host).enabled}


def test_given_nobody_in_sight_when_the_cluster_is_looked_after_then_nothing_is_changed(
    host, seen
):
    assert not upkeep.ensure_cluster(host, NodeConfig(), seen())


def test_given_an_addon_that_fails_when_asked_then_it_is_known_when_to_try_again(host):
    assert upkeep.waits_until(host) is None

    addon_state.save(host, addon_state.failed(addon_state.load(host), "dns", "no", host.now()))

    assert upkeep.waits_until(host) > host.now()


# --- what is told, and what is taken back --------------------------------------------------------


def test_given_a_backup_that_failed_when_notes_are_taken_then_it_is_told(host):
    files.write_state(host, archives.RESULT, {"error": "disk full", "at": host.now()})

    assert "the last backup failed: disk full" in upkeep.notes(host, NodeConfig(), steward=False)
    assert upkeep.notes(host, NodeConfig(role="worker"), steward=False) == ()


def test_given_notes_on_addons_when_taken_then_only_the_steward_tells_them(host):
    addon_state.save(host, addon_state.State(notes=("gpu is not for arm64",)))

    assert upkeep.notes(host, NodeConfig(), steward=True) == ("gpu is not for arm64",)
    assert upkeep.notes(host, NodeConfig(), steward=False) == ()


def test_given_a_node_when_removed_then_nothing_of_the_charm_is_left_on_the_machine(host):
    upkeep.ensure_files(host, NodeConfig(), DOMAIN, ())
    upkeep.ensure_guards(host, NodeConfig(), ["10.20.0.11"])
    stewardship.ensure_metrics_token(host)
    host.write(heartbeats.STATE, "{}")

    upkeep.remove(host)

    assert not host.exists(heartbeats.STATE)
    assert host.glob(f"{microk8s.STATE}/*") == []
    assert not host.exists(microk8s.DATA)
    assert not host.exists(node_args.JOURNALD)


def test_given_a_removal_that_was_cut_short_when_repeated_then_it_ends_well(host):
    host.machine.faults.add(pi.Fault(("snap", "remove"), pi.fail(1, "snap is busy")))
    with pytest.raises(microk8s.MicroK8sError):
        upkeep.remove(host)

    upkeep.remove(host)

    assert microk8s.info(host) is None


def test_given_backups_that_never_come_when_days_have_passed_then_it_is_noted_from_the_schedule_on(
    host,
):
    upkeep.ensure_guards(host, NodeConfig(), {"10.20.0.11"})
    host.machine.world.clock.advance(6 * DAY)
    upkeep.ensure_guards(host, NodeConfig(backup_schedule="Mon..Sun 03:00"), {"10.20.0.11"})
    host.remove(archives.RESULT)

    host.machine.world.clock.advance(5 * DAY)
    early = upkeep.notes(host, NodeConfig(backup_schedule="Mon..Sun 03:00"), steward=False)
    host.machine.world.clock.advance(4 * DAY)
    late = upkeep.notes(host, NodeConfig(backup_schedule="Mon..Sun 03:00"), steward=False)

    assert early == ()
    assert late == ("no backup yet: run the action backup to see why",)
