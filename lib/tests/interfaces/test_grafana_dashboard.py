import json

from ops import testing

from edgecloud.interfaces import grafana_dashboard, published

PANEL = json.dumps({"title": "Pi", "uid": "u", "panels": []})


def publish(inside, texts=None, remote=None):
    def step(charm):
        end = grafana_dashboard.DashboardProvider(charm)
        shown = {"site.json": PANEL} if texts is None else texts
        return end.publish(shown), end.publish(shown), end.complaints()

    relation = testing.Relation("grafana-dashboard", remote_app_data=remote or {})
    return inside(step, relation, app="mon", leader=True)


def bag(ran):
    return json.loads(ran.relation("grafana-dashboard").local_app_data["dashboards"])


def test_given_a_dashboard_when_published_then_every_key_that_grafana_reads_is_there(inside):
    (name, template), *rest = bag(publish(inside))["templates"].items()

    assert (name, rest) == ("file:site.json", [])
    assert set(template) == {
        "charm",
        "content",
        "juju_topology",
        "inject_dropdowns",
        "dashboard_alt_uid",
    }
    assert set(template["juju_topology"]) == {"model", "model_uuid", "application", "unit"}
    assert template["content"].startswith(published.LZMA_START)
    assert (template["charm"], len(template["dashboard_alt_uid"])) == ("mon", 16)


def test_given_the_same_dashboards_when_published_again_then_it_is_no_news(inside):
    assert publish(inside).result[:2] == (True, False)


def test_given_another_dashboard_when_published_then_its_number_is_another(inside):
    numbers = {bag(publish(inside, {"a": text}))["uuid"] for text in ("{}", "[]")}

    assert len(numbers) == 2


def test_given_our_own_offer_when_the_other_end_reads_it_then_both_agree(inside):
    said = publish(inside).relation("grafana-dashboard").local_app_data
    relation = testing.Relation("show", remote_app_name="mon", remote_app_data=said)

    found = inside(lambda c: grafana_dashboard.DashboardConsumer(c, "show").dashboards(), relation)

    assert found.result == {"mon/file:site.json": PANEL}


def test_given_templates_that_cannot_be_unpacked_when_read_then_they_are_left_out(inside):
    templates = {"a": {"content": "abc"}, "b": {}, "c": 7, "d": {"content": None}}
    said = {"dashboards": json.dumps({"templates": templates, "uuid": "5f6"})}
    relation = testing.Relation("show", remote_app_data=said)

    found = inside(lambda c: grafana_dashboard.DashboardConsumer(c, "show").dashboards(), relation)

    assert found.result == {}


def test_given_what_grafana_complains_of_when_asked_then_it_is_said(inside):
    remote = {"event": json.dumps({"valid": False, "errors": [{"error": "no datasource"}]})}

    assert "no datasource" in publish(inside, remote=remote).result[2][0]
