import json

import pytest
from ops import testing

from edgecloud.interfaces import grafana_dashboard, stack

URL, MANAGER = "https://far.example/api/v1/write", "https://far.example:9093"
CA = "-----BEGIN CERTIFICATE-----\nA"
RULES = {"board.rules": {"groups": [{"name": "board", "rules": [{"alert": "A", "expr": "x"}]}]}}


def step(charm):
    end = stack.ObservabilityStack(charm)
    offered = [end.offer(rules=RULES, dashboards={"a.json": "{}"}) for _ in range(2)]
    return end.related, end.stores(), end.alertmanagers(), end.authorities(), offered


def relations(url=URL):
    return (
        testing.Relation(
            stack.REMOTE_WRITE, remote_units_data={0: {"remote_write": json.dumps({"url": url})}}
        ),
        testing.Relation(stack.ALERTMANAGER, remote_units_data={0: {"url": MANAGER}}),
        testing.Relation(
            stack.AUTHORITIES,
            remote_app_data={"version": "1", "certificates": json.dumps([CA])},
        ),
        testing.Relation(stack.DASHBOARDS),
    )


def test_given_a_whole_stack_when_looked_at_then_every_part_of_it_is_known(inside):
    ran = inside(step, *relations(), leader=True)

    assert ran.result == (True, (URL,), (MANAGER,), CA, [True, False])


def test_given_none_when_looked_at_then_nothing_is_offered(inside):
    assert inside(step, leader=True).result == (False, (), (), "", [False, False])


@pytest.mark.parametrize(
    "url", ["https://user:secret@far.example/w", "ftp://far.example", "http://[x", "far.example"]
)
def test_given_an_address_that_is_none_or_holds_a_password_when_read_then_it_is_left_out(
    url, inside
):
    assert inside(step, *relations(url), leader=True).result[1] == ()


def test_given_an_address_whose_password_is_no_secret_when_read_then_samples_go_there(inside):
    url = "https://agent:anybody@far.example:8429/api/v1/write"

    assert inside(step, *relations(url), leader=True).result[1] == (url,)


def test_given_rules_when_handed_over_then_no_other_site_has_groups_of_the_same_name(inside):
    ran = inside(step, *relations(), leader=True, model=testing.Model("harbour", uuid="u-1"))

    said = json.loads(ran.relation(stack.REMOTE_WRITE).local_app_data["alert_rules"])
    assert [group["name"] for group in said["groups"]] == ["harbour_u-1_dummy_board_alerts"]
    assert said["groups"][0]["rules"] == RULES["board.rules"]["groups"][0]["rules"]


def test_given_a_grafana_when_offered_then_it_has_the_dashboards(inside):
    ran = inside(step, *relations(), leader=True)
    bag = ran.relation(stack.DASHBOARDS).local_app_data

    shown = inside(
        lambda charm: grafana_dashboard.DashboardConsumer(charm, "show").dashboards(),
        testing.Relation("show", remote_app_name="mon", remote_app_data=bag),
    )
    assert shown.result == {"mon/file:a.json": "{}"}


def test_given_the_stack_when_asked_then_it_tells_of_every_change(inside):
    ran = inside(lambda charm: len(list(stack.ObservabilityStack(charm).events())))

    assert ran.result == 16
