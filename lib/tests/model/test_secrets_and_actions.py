import pytest

from edgelab import model


@pytest.fixture
def kept(juju, keeper):
    juju.add_application("keeper", keeper)
    for _ in range(3):
        juju.add_unit("keeper")
    juju.settle()
    return juju


def word(juju, machine):
    host = juju.world.machines[machine].host()
    return host.read("/word") if host.exists("/word") else None


def test_given_a_secret_for_one_peer_when_read_then_only_that_peer_can(kept):
    assert word(kept, "1") == "sesame"
    assert word(kept, "2") is None
    assert str(kept.units["keeper/2"].status) == "blocked: shut"


def test_given_new_content_when_its_reader_has_it_then_its_owner_is_told_of_the_old(kept):
    kept.set_config("keeper", {"word": "open"})
    kept.settle()

    ran = [(hook.unit, hook.label) for hook in kept.record.hooks if "secret-" in hook.label]
    assert word(kept, "1") == "open"
    assert kept.world.machines["0"].host().read("/removed") == "1"
    assert ran == [("keeper/1", "secret-changed"), ("keeper/0", "secret-remove")]


def test_given_a_secret_with_a_date_when_it_passes_then_its_owner_is_told(kept):
    assert len(kept.secrets) == 1

    kept.advance(7300)

    assert not kept.secrets


def test_given_a_unit_that_owns_a_secret_when_removed_then_the_secret_goes(kept):
    kept.remove_unit("keeper/0")
    kept.settle()

    assert not kept.secrets


def test_given_a_user_secret_when_granted_then_the_application_reads_it(juju, tracer):
    juju.add_application("tracer", tracer)
    secret = juju.add_secret({"user": "pi"}, to="tracer")

    juju.set_config("tracer", {"password": secret})

    assert juju.applications["tracer"].config["password"] == secret


@pytest.fixture
def running(juju, tracer):
    juju.add_application("tracer", tracer)
    juju.add_unit("tracer")
    juju.settle()
    return juju


def test_given_an_action_when_run_on_the_leader_then_its_results_come_back(running):
    run = running.run("tracer/leader", "shout", {"word": "hey"})

    assert (run.status, run.results) == ("completed", {"said": "hey hey"})


@pytest.mark.parametrize(
    ("action", "params", "why"),
    [
        pytest.param("shuot", {}, "did you mean 'shout'", id="unknown action"),
        pytest.param("shout", {"word": "psst"}, "is not one of", id="not in the enumeration"),
        pytest.param("shout", {"word": "hey", "times": 0}, "minimum", id="below the minimum"),
        pytest.param("shout", {"loud": True}, "Additional properties", id="unknown parameter"),
    ],
)
def test_given_wrong_parameters_when_an_action_is_run_then_it_is_refused(
    running, action, params, why
):
    with pytest.raises(model.CheckError, match=why):
        running.run("tracer/0", action, params)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param({"greting": "x"}, "did you mean 'greeting'", id="unknown option"),
        pytest.param({"count": "3"}, "is a int, not '3'", id="wrong type"),
        pytest.param({"count": True}, "is a int, not True", id="a boolean is no number"),
        pytest.param({"password": "hunter2"}, "takes the id of a secret", id="a plain secret"),
    ],
)
def test_given_wrong_options_when_configured_then_they_are_refused(running, options, why):
    with pytest.raises(model.CheckError, match=why):
        running.set_config("tracer", options)


def test_given_two_applications_when_related_then_each_sees_the_other(juju, tracer, trace):
    for name in ("edge-a", "edge-b"):
        juju.add_application(name, tracer)
        juju.add_unit(name)
    juju.integrate("edge-a:tap", "edge-b:upstream")

    juju.settle()

    assert "upstream-relation-joined edge-a/0" in trace(juju, "edge-b/0")
    assert "tap-relation-joined edge-b/0" in trace(juju, "edge-a/0")


def test_given_a_relation_when_removed_then_both_sides_see_it_break(juju, tracer, trace):
    for name in ("edge-a", "edge-b"):
        juju.add_application(name, tracer)
        juju.add_unit(name)
    juju.integrate("edge-a:tap", "edge-b:upstream")
    juju.settle()

    juju.remove_relation("edge-a", "edge-b")
    juju.settle()

    assert "tap-relation-broken edge-b" in trace(juju, "edge-a/0")
    assert [r.interface for r in juju.relations.values()] == ["tracer_peers"] * 2


def test_given_endpoints_that_do_not_fit_when_related_then_it_is_refused(juju, tracer):
    for name in ("edge-a", "edge-b"):
        juju.add_application(name, tracer)

    with pytest.raises(model.CheckError, match="cannot relate edge-a:tap to edge-b:beside"):
        juju.integrate("edge-a:tap", "edge-b:beside")
