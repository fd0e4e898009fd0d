"""An upgrade as its machine tells of it, from the first report to its end."""

import dataclasses

import pytest

from edgecloud.agent import exchange, journal, paths, settings
from edgecloud.agent.gauges import writing
from edgecloud.rollout import messages
from edgelab import pi
from edgelab.pi import two_slots
from tests.agent import exposed

STATES = {status.value for status in messages.Status}


def page(machine):
    assert writing.write(machine)
    return exposed.Page(machine.read(writing.TEXTFILE))


def state(told):
    """Return the one state that is told, of all of which something is."""
    found = {labels["state"]: value for labels, value in told.labelled("upgrade_node_state")}
    assert set(found) == STATES
    assert sorted(set(found.values())) == [0, 1]
    (current,) = (name for name, value in found.items() if value)
    return current


def test_given_an_agent_that_never_woke_when_told_then_only_the_veto_is_known(single):
    told = page(single.host(0))

    assert {name for name in told.names() if name.startswith("upgrade_")} == {"upgrade_vetoed"}


def test_given_an_idle_machine_when_told_then_nothing_is_wrong(single):
    single.wake(0)

    told = page(single.host(0))

    assert state(told) == "idle"
    assert told.value("upgrade_cordoned") == 0
    assert told.value("upgrade_quarantined_artefacts") == 0
    assert told.value("upgrade_audit_intact") == 1
    assert "upgrade_plan_info" not in told.names()


def test_given_an_upgrade_when_told_then_the_plan_the_state_and_its_age_are(single):
    accepted = single.plan()
    single.order(0, "prepare", accepted)
    single.wake(0)
    assert state(page(single.host(0))) == "waiting"
    single.wait(600)
    single.order(0, "grant", accepted)
    single.wake(0)
    began = single.machine(0).now()
    single.wait(30)

    told = page(single.host(0))

    assert state(told) == "soaking"
    since = told.value("upgrade_node_state_since_timestamp_seconds")
    assert since == pytest.approx(began, abs=5)
    facts = {"plan": "p1", "digest": accepted.digest[:12], "part": "kubernetes/1.36"}
    assert told.value("upgrade_plan_info", **facts) == 1


def test_given_ticks_of_a_soak_when_told_then_it_began_when_it_began(single):
    single.upgrade(0)
    began = page(single.host(0)).value("upgrade_node_state_since_timestamp_seconds")

    single.wake_for(0, 120)

    told = page(single.host(0))
    assert state(told) == "soaking"
    assert told.value("upgrade_node_state_since_timestamp_seconds") == began


def test_given_the_middle_of_an_upgrade_when_told_then_the_cordon_is_its_own(single):
    seen = {}

    def boundary(name):
        if name == "before apply in applying":
            seen["told"] = page(single.host(0))

    single.upgrade(0, boundary=boundary)

    assert state(seen["told"]) == "disrupted"
    assert seen["told"].value("upgrade_cordoned") == 1
    assert page(single.host(0)).value("upgrade_cordoned") == 0


def test_given_somebody_elses_cordon_when_told_then_it_is_not_the_upgrades(single):
    single.kube(0).cordoned = True
    single.upgrade(0)

    told = page(single.host(0))

    assert told.value("upgrade_cordoned") == 0
    assert told.value("edge_kubernetes_schedulable") == 0


def test_given_an_artefact_that_failed_when_told_then_it_is_counted(single):
    single.spoil(0, "fails")
    single.upgrade(0)
    single.finish(0)

    told = page(single.host(0))

    assert told.value("upgrade_quarantined_artefacts") == 1
    assert state(told) in ("rolled-back", "quarantined")


def test_given_a_veto_when_told_then_it_is_known_at_once(single):
    page(single.host(0))
    single.host(0).write(paths.VETO, "no\n")

    assert page(single.host(0)).value("upgrade_vetoed") == 1


def test_given_a_changed_line_when_told_then_the_chain_does_not_verify(single):
    single.upgrade(0)
    assert page(single.host(0)).value("upgrade_audit_intact") == 1
    entries = journal.history(single.host(0))
    forged = dataclasses.replace(
        entries[2], link=dataclasses.replace(entries[2].link, entry={"to": "done"})
    )
    lines = [journal._encode(each) for each in [*entries[:2], forged, *entries[3:]]]
    single.machine(0).path(paths.JOURNAL).write_bytes(b"".join(lines))

    assert page(single.host(0)).value("upgrade_audit_intact") == 0


def test_given_an_end_that_was_cut_off_when_told_then_the_chain_does_not_verify(single):
    single.upgrade(0)
    file = single.machine(0).path(paths.JOURNAL)
    lines = file.read_bytes().splitlines(keepends=True)
    links = [each.link is not None for each in journal.history(single.host(0))]
    last = max(at for at, is_link in enumerate(links) if is_link)
    file.write_bytes(b"".join(lines[:last]))

    assert page(single.host(0)).value("upgrade_audit_intact") == 0


def test_given_a_line_more_than_was_reported_when_told_then_the_chain_still_verifies(single):
    single.upgrade(0)
    report = exchange.read_outbox(single.host(0))
    heads = [link.hash for link in journal.chain(single.host(0))]
    former = dataclasses.replace(report, head=heads[-2])
    exchange.write_outbox(single.host(0), former, state="soaking")

    assert page(single.host(0)).value("upgrade_audit_intact") == 1


def test_given_a_quiet_machine_when_told_again_then_the_journal_is_not_read(single, monkeypatch):
    single.upgrade(0)
    before = page(single.host(0))
    monkeypatch.setattr(journal, "history", lambda machine: pytest.fail("read"))

    after = page(single.host(0))

    assert after.labelled("upgrade_node_state") == before.labelled("upgrade_node_state")


def test_given_a_journal_that_cannot_be_read_when_told_then_the_report_is_all_the_same(single):
    single.upgrade(0)
    single.machine(0).path(paths.JOURNAL).unlink()
    single.machine(0).path(paths.JOURNAL).mkdir()

    told = page(single.host(0))

    assert state(told) == "soaking"
    assert "upgrade_audit_intact" not in told.names()


def test_given_a_plan_that_is_gone_when_told_then_only_its_name_is_missing(single):
    single.upgrade(0)
    (kept,) = single.host(0).glob(f"{paths.PLANS}/*.json")
    single.host(0).remove(kept)

    told = page(single.host(0))

    assert "upgrade_plan_info" not in told.names()
    assert state(told) == "soaking"


@pytest.mark.parametrize("running", ["a", "b"])
def test_given_two_systems_when_told_then_which_runs_and_which_is_next(tmp_path, running):
    board = two_slots.Board(tmp_path, {})
    board.write("/proc/cmdline", f"console=tty1 root=/dev/x ab.slot={running}\n")
    block = (
        "# edge-agent: begin\nos_prefix=b/\n[tryboot]\nos_prefix=a/\n[all]\n# edge-agent: end\n"
    )
    board.write("/boot/firmware/config.txt", block)
    slots = {"a": "/dev/x", "b": "/dev/y", "boot": "/boot/firmware"}
    settings.write(board, settings.Settings("pi-0", slots=slots))

    told = page(board)

    found = {(each["what"], each["slot"]): v for each, v in told.labelled("upgrade_boot_slot")}
    assert found == {
        ("running", "a"): running == "a",
        ("running", "b"): running == "b",
        ("default", "a"): 0,
        ("default", "b"): 1,
    }


def test_given_one_system_when_told_then_no_slot_is(single):
    assert "upgrade_boot_slot" not in page(single.host(0)).names()


def test_given_a_power_cut_while_it_writes_when_power_returns_then_it_writes_again(single):
    single.machine(0).faults.add(pi.Fault(("vcgencmd",), pi.cut_during()))
    with pytest.raises(pi.PowerCut):
        writing.write(single.host(0))
    single.machine(0).power_on()

    assert "upgrade_vetoed" in page(single.host(0)).names()


def test_given_an_upgrade_when_told_then_each_step_has_the_time_that_it_took(single):
    def boundary(name):
        if name == "after apply in applying":
            single.wait(40)

    single.upgrade(0, boundary=boundary)

    told = page(single.host(0))
    took = {
        labels["step"]: value
        for labels, value in told.labelled("upgrade_step_duration_seconds_sum")
    }
    assert took["applying"] >= 40
    assert {"staging", "draining", "validating"} <= set(took)
    assert "soaking" not in took
    assert "upgrade_failures_total" not in told.names()
    buckets = told.labelled("upgrade_step_duration_seconds_bucket")
    applied = {labels["le"]: value for labels, value in buckets if labels["step"] == "applying"}
    assert list(applied) == ["10", "60", "300", "1800", "+Inf"]
    assert (applied["10"], applied["1800"], applied["+Inf"]) == (0, 1, 1)
    assert told.value("upgrade_step_duration_seconds_count", step="applying") == 1
    assert told.value("upgrade_audit_records_total") == journal.chain(single.host(0))[-1].seq


def test_given_an_upgrade_that_fails_when_told_then_step_reason_and_way_back_are_counted(single):
    single.spoil(0, "fails")
    single.upgrade(0)
    single.finish(0)

    told = page(single.host(0))

    failures = told.labelled("upgrade_failures_total")
    assert [(each["step"], value) for each, value in failures] == [("applying", 1)]
    ways = told.labelled("upgrade_rollbacks_total")
    assert [(each["result"], value) for each, value in ways] == [(state(told), 1)]


def test_given_counts_that_were_kept_when_told_again_then_they_are_the_same(single, monkeypatch):
    single.upgrade(0)
    before = page(single.host(0))
    monkeypatch.setattr(journal, "history", lambda machine: pytest.fail("read"))

    after = page(single.host(0))

    name = "upgrade_step_duration_seconds_bucket"
    assert after.labelled(name) == before.labelled(name) != []
