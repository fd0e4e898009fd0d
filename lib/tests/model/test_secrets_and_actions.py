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


@pytest.fixture
def three(juju, tracer):
    """Three applications without units, the first two of them related."""
    for name in ("edge-a", "edge-b", "edge-c"):
        juju.add_application(name, tracer)
    juju.integrate("edge-a:tap", "edge-b:upstream")
    return juju


@pytest.mark.parametrize(
    ("left", "right", "why"),
    [
        ("edge-a:tap", "edge-b:upstream", "they are related already"),
        ("edge-b:upstream", "edge-a:tap", "they are related already"),
        ("edge-c:tap", "edge-b:upstream", "edge-b:upstream takes at most 1 relation$"),
        ("edge-d:tap", "edge-b:upstream", "no application 'edge-d'; did you mean"),
    ],
)
def test_given_a_relation_that_juju_refuses_when_made_then_it_is_refused(three, left, right, why):
    with pytest.raises(model.CheckError, match=why):
        three.integrate(left, right)

    assert len([each for each in three.relations.values() if not each.peer]) == 1


def test_given_a_relation_that_ended_when_made_again_then_it_is_no_second_one(three):
    three.remove_relation("edge-a", "edge-b")

    three.integrate("edge-c:tap", "edge-b:upstream")

    assert [each.endpoints for each in three.relations.values() if not each.peer] == [
        {"edge-c": "tap", "edge-b": "upstream"}
    ]


def test_given_two_relations_of_the_same_applications_when_one_is_removed_then_the_other_stays(
    three,
):
    three.integrate("edge-b:tap", "edge-a:upstream")

    three.remove_relation("edge-b:tap", "edge-a:upstream")

    assert [each.endpoints for each in three.relations.values() if not each.peer] == [
        {"edge-a": "tap", "edge-b": "upstream"}
    ]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("edge-a", "edge-c"),
        ("edge-a:upstream", "edge-b:tap"),
        ("edge-a", "edge-a"),
        ("edge-a:cluster", "edge-a:cluster"),
        ("edge-a", "edge-x"),
    ],
)
def test_given_no_such_relation_when_removed_then_it_is_refused(three, left, right):
    with pytest.raises(model.CheckError, match=f"no relation of {left} and {right}"):
        three.remove_relation(left, right)


def test_given_a_name_that_juju_refuses_when_deployed_then_it_is_refused(juju, tracer):
    with pytest.raises(model.CheckError, match="'edge-1' is no name for an application"):
        juju.add_application("edge-1", tracer)


def test_given_a_machine_that_is_not_there_when_a_unit_is_placed_then_those_there_are_named(three):
    three.add_machine("0")

    with pytest.raises(model.CheckError, match="there is no machine '5'; there are 0"):
        three.add_unit("edge-a", "5")

    assert not three.units
