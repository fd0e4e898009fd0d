"""What the leader's machine says in numbers of the site's upgrade."""

import dataclasses
import re
import shutil
import subprocess

from ops import testing

from edgecloud.metrics import site_upgrade

ONE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def measured(site):
    """Return the value of each series on the machine."""
    host = site.world.machines["0"].host()
    text = host.read(site_upgrade.TEXTFILE) if host.exists(site_upgrade.TEXTFILE) else ""
    return {
        name.removeprefix("upgrade_site_") + (f"{{{labels}}}" if labels else ""): float(value)
        for name, labels, value in ONE.findall(text)
    }


def test_given_a_granted_canary_when_measured_then_plan_phase_and_budget_are_told(site):
    digest = site.start()
    site.round()

    found = measured(site)

    assert found[f'plan_info{{plan="k8s-135",generation="1",digest="{digest[:12]}"}}'] == 1
    assert found['phase{phase="active"}'] == 1
    assert found['phase{phase="held"}'] == 0
    assert (found["granted_nodes"], found["unavailable_nodes"], found["budget_nodes"]) == (1, 1, 1)
    assert (found["voters_answering"], found["voters_slack"]) == (3, 1)
    assert (found["window_open"], found["audit_intact"]) == (1, 1)
    assert "window_remaining_seconds" not in found


def test_given_an_upgrade_that_is_over_when_measured_then_all_are_done(site):
    site.start()
    site.rounds()

    found = measured(site)

    assert (found['phase{phase="completed"}'], found["done_nodes"]) == (1, 3)
    assert (found["skew_minors"], found["debt_nodes"], found["failed_nodes"]) == (0, 0, 0)


def test_given_a_canary_that_fails_when_measured_then_it_is_counted(site):
    site.actors["pi-0"].broken = True
    site.start()
    site.rounds()

    found = measured(site)

    assert (found['phase{phase="held"}'], found["failed_nodes"]) == (1, 1)
    assert found['nodes{status="rolled-back"}'] == 1


def test_given_a_window_when_measured_then_it_says_whether_it_is_open(site):
    site.start(windows=[{"start": "00:00", "length": "30m", "tz": "UTC"}])
    site.event()

    found = measured(site)

    assert (found["window_open"], found["window_remaining_seconds"]) == (0, 0)


def test_given_books_that_were_changed_when_measured_then_the_chain_is_not_whole(site):
    site.start()
    chain = site.peers.local_app_data["chain"].replace("accepted", "accepted by me", 1)
    bag = {**site.peers.local_app_data, "chain": chain}
    site.peers = dataclasses.replace(site.peers, local_app_data=bag)

    site.event()

    assert measured(site)["audit_intact"] == 0


def test_given_a_unit_that_leads_no_more_when_measured_then_its_file_goes(site):
    site.start()

    site.event(leader=False)

    assert measured(site) == {}


def test_given_no_plan_when_measured_then_nothing_is_claimed(site):
    site.event()

    assert measured(site) == {}


def test_given_a_machine_that_cannot_write_when_measured_then_the_hook_goes_on(site, monkeypatch):
    site.start()
    host = site.world.machines["0"].host()
    monkeypatch.setattr(
        type(host), "write", lambda *_, **__: (_ for _ in ()).throw(OSError("full"))
    )

    assert site.event().status.name == "active"


def test_given_a_whole_file_when_checked_then_promtool_where_it_is_has_no_complaint(site):
    site.start()
    site.round()
    text = site.world.machines["0"].host().read(site_upgrade.TEXTFILE)
    checker = shutil.which("promtool")
    command = (checker, "check", "metrics") if checker else ("cat", "/dev/null")

    checked = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_given_an_upgrade_when_measured_then_orders_and_outcomes_are_counted_for_good(site):
    site.start()
    site.rounds()

    found = measured(site)

    assert found['orders_total{verb="grant"}'] == 3
    assert found['orders_total{verb="roll-back"}'] == 0
    assert found['outcomes_total{status="done"}'] == 3
    assert found['outcomes_total{status="rolled-back"}'] == 0


def test_given_two_plans_one_after_the_other_when_measured_then_counters_go_on(site):
    site.actors["pi-0"].broken = True
    site.start()
    site.rounds()
    before = measured(site)

    site.start(generation=2)
    site.round()

    found = measured(site)
    assert found['orders_total{verb="prepare"}'] > before['orders_total{verb="prepare"}']
    assert found['orders_total{verb="grant"}'] == before['orders_total{verb="grant"}'] == 1
    assert found['outcomes_total{status="rolled-back"}'] == 1


def test_given_a_node_that_is_away_when_measured_then_it_says_since_when_until_it_is_back(site):
    site.start()
    site.actors["pi-2"].heard = False
    site.event()
    since = site.now - 60

    assert measured(site)['silent_since_timestamp_seconds{member="pi-2"}'] == since

    site.actors["pi-2"].heard = True
    site.event()
    assert not [name for name in measured(site) if name.startswith("silent_since")]


def test_given_a_granted_canary_when_measured_then_each_node_has_its_wave_its_state_and_its_reason(
    site,
):
    site.start()
    site.round()

    found = measured(site)

    assert found['step_info{part="kubernetes/1.35"}'] == 1
    assert (found["wave"], found["waves"]) == (0, 2)
    members = [name for name in found if name.startswith("member_info")]
    assert members == [
        'member_info{member="pi-0",wave="0",state="granted"}',
        'member_info{member="pi-1",wave="1",state="waiting"}',
        'member_info{member="pi-2",wave="1",state="waiting"}',
    ]


def test_given_a_node_that_waits_when_measured_then_the_reason_is_told_and_gone_once_it_is_over(
    site,
):
    site.actors["pi-0"].vetoed = True
    site.start()
    site.round()

    assert 'waits{member="pi-0",reason="vetoed on the node"}' in measured(site)

    site.actors["pi-0"].vetoed = False
    site.round()
    assert not [name for name in measured(site) if "vetoed" in name]


def test_given_a_window_that_is_too_short_when_time_passes_then_the_reason_stays_the_same(site):
    site.start(windows=[{"start": "08:00", "length": "31m", "tz": "UTC"}])
    seen = set()
    for _ in range(3):
        site.round(90)
        seen |= {name for name in measured(site) if "of a window" in name}

    assert seen == {'waits{member="pi-0",reason="needs more of a window than is left"}'}


def test_given_gates_when_measured_then_it_is_told_what_each_asks(site):
    site.more = [testing.Relation("health-gate", remote_app_name="monitor")]
    site.start(
        gates=[{"name": "calm", "type": "alerts", "query": "severity=~'a|b'", "when": ["before"]}]
    )
    site.round()

    found = measured(site)

    asked = 'gate="calm",kind="alerts",asks="severity=~\'a|b\'",when="before"'
    assert found[f"gate_info{{{asked}}}"] == 1
    assert found['gate_status{gate="calm"}'] == -1
    assert found['waits{member="pi-0",reason="gate calm: error"}'] == 1
