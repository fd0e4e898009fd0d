"""The inbox and the outbox, the settings, the units and the command line."""

import json

import pytest

from edgecloud import host
from edgecloud.agent import exchange, health, main, paths, settings, units, wake_lock


def test_given_an_order_when_written_then_it_reads_as_it_was(single):
    single.order(0, "prepare", wave=2)

    found = exchange.read_inbox(single.host(0))

    assert found.order.wave == 2
    assert found.work.target == f"microk8s:{single.revision('1.36')}"


def test_given_no_inbox_when_read_then_there_is_nothing_to_do(single):
    assert exchange.read_inbox(single.host(0)) is None


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"plan": "{}"}, {"order": {}}, {"member": {"name": "x", "strange": 1}}],
)
def test_given_an_inbox_that_cannot_be_read_when_woken_then_it_says_so(single, change):
    single.order(0, "prepare")
    document = json.loads(single.host(0).read(paths.INBOX))
    single.host(0).write(paths.INBOX, json.dumps({**document, **change}))

    single.wake(0)

    assert json.loads(single.host(0).read(paths.OUTBOX))["problem"]


def test_given_an_order_of_another_plan_when_read_then_it_is_refused(single):
    single.order(0, "prepare")
    document = json.loads(single.host(0).read(paths.INBOX))
    document["order"]["digest"] = "0" * 64
    single.host(0).write(paths.INBOX, json.dumps(document))

    with pytest.raises(exchange.ExchangeError):
        exchange.read_inbox(single.host(0))


def test_given_settings_of_a_newer_charm_when_read_then_the_rest_holds(tmp_path):
    machine = host.LocalHost(tmp_path)
    machine.write(paths.SETTINGS, json.dumps({"name": "pi-7", "modules": ["rbd"], "new": 1}))

    assert settings.read(machine) == settings.Settings("pi-7", modules=("rbd",))


def test_given_a_machine_when_the_units_are_ensured_then_they_are_enabled_once(single):
    assert units.ensure(single.host(0))
    assert not units.ensure(single.host(0))

    assert single.machine(0).units["edge-agent.timer"].enabled
    assert units.remove(single.host(0))


def test_given_flash_kernel_when_ensured_then_ubuntu_asks_the_same_checks(single):
    single.host(0).write("/etc/flash-kernel/db", "")

    units.ensure(single.host(0))

    assert "validate" in single.host(0).read(units.PIBOOT_VALIDATE)


@pytest.fixture
def here(single):
    """Let the command line run on a simulated machine."""
    former = host.use(single.host(0))
    yield single
    host.use(former)


def test_given_a_veto_when_given_and_taken_back_then_the_file_follows(here):
    assert main.main(["veto", "no heating"]) == 0
    assert here.host(0).read(paths.VETO) == "no heating\n"
    assert main.main(["unveto"]) == 0
    assert not here.host(0).exists(paths.VETO)


def test_given_a_well_machine_when_checked_then_it_says_so(here, capsys):
    assert main.main(["check"]) == 0
    assert json.loads(capsys.readouterr().out) == {"failed": {}, "warned": {}}


def test_given_a_stopped_daemon_when_checked_then_it_is_named(here, capsys):
    here.run(0, "/usr/bin/snap", "stop", "microk8s.daemon-containerd")

    assert main.main(["check"]) == 1
    assert "containerd" in json.loads(capsys.readouterr().out)["failed"]


def test_given_a_cut_uplink_when_checked_then_all_is_well(single):
    single.machine(0).uplink = False

    assert health.run(single.host(0), settings.read(single.host(0))).is_well


def test_given_a_chain_when_verified_then_the_links_are_counted(here, capsys):
    here.upgrade(0)

    assert main.main(["verify-audit"]) == 0
    assert "links hold" in capsys.readouterr().out


def test_given_a_second_wake_up_when_one_is_under_way_then_it_ends_at_once(here):
    with wake_lock.lock(here.host(0)):
        assert main.main(["wake"]) == 0
    assert not here.host(0).exists(paths.OUTBOX)
