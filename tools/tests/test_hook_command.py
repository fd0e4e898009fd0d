"""Tests of the stand-ins for Juju's hook commands."""

import json

import pytest

from standins import hook_command, unit


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs a hook command in a model, and returns what it printed."""
    place = tmp_path / "model.json"
    monkeypatch.setenv("STANDIN_MODEL", str(place))
    monkeypatch.setenv("JUJU_MODEL_UUID", unit.UUID)
    surroundings = unit.Unit(tmp_path, tmp_path, name="edge-x/0")

    def command(line, **model):
        if model:
            surroundings.set_model(model)
        name, *arguments = line.split()
        code = hook_command.main(name, arguments)
        printed = capsys.readouterr()
        return printed.err if code else printed.out and _value(printed.out)

    command.model = lambda: surroundings.model
    return command


def _value(text):
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


CLUSTER = unit.relation(
    3,
    "cluster",
    "edge-x",
    units={"edge-x/1": {"node": "pi-2"}},
    own_unit={"node": "pi-1"},
    own_application={"epoch": "4"},
)
WORKERS = unit.relation(7, "workers", "kiosk", remote_application={"kind": "worker"})


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (["-r", "3", "-", "a/0"], {"-r": "3"}, ["-", "a/0"]),
        (["--format=json", "x"], {"--format": "json"}, ["x"]),
        (["--app", "x"], {"--app": "true"}, ["x"]),
    ],
)
def test_given_arguments_when_parsed_then_options_and_words_are_apart(arguments, options, words):
    assert hook_command.parse(arguments) == (options, words)


def test_given_options_when_asked_then_all_or_one_is_answered(run):
    assert run("config-get --format=json", config={"keep": 3}) == {"keep": 3}
    assert run("config-get --format=json keep") == 3


def test_given_a_follower_when_asked_then_it_does_not_lead(run):
    assert run("is-leader --format=json", leader=False) is False


def test_given_relations_when_listed_then_ids_and_members_follow(run):
    assert run("relation-ids --format=json cluster", relations=[CLUSTER, WORKERS]) == ["cluster:3"]
    assert run("relation-list --format=json -r 3") == ["edge-x/1"]
    assert run("relation-list --format=json --app -r 7") == "kiosk"


@pytest.mark.parametrize(
    ("line", "bag"),
    [
        ("relation-get --format=json -r 3 - edge-x/1", {"node": "pi-2"}),
        ("relation-get --format=json -r 3 - edge-x/0", {"node": "pi-1"}),
        ("relation-get --format=json --app -r 3 - edge-x", {"epoch": "4"}),
        ("relation-get --format=json --app -r 7 - kiosk", {"kind": "worker"}),
        ("relation-get --format=json -r 3 node edge-x/1", "pi-2"),
    ],
)
def test_given_databags_when_read_then_each_member_has_its_own(run, line, bag):
    assert run(line, relations=[CLUSTER, WORKERS]) == bag


def test_given_a_unit_out_of_sight_when_read_then_it_is_refused(run):
    assert "permission denied" in run("relation-get -r 3 - edge-x/9", relations=[CLUSTER])


def test_given_a_relation_that_is_gone_when_read_then_it_is_not_found(run):
    assert "relation not found" in run("relation-list -r 99", relations=[])


def test_given_a_change_when_written_then_the_databag_has_it(run):
    run("relation-set -r 3 node= ready=true", relations=[CLUSTER])

    assert run.model()["relations"][0]["own_unit"] == {"ready": "true"}


def test_given_a_status_when_set_then_it_is_answered(run):
    run("status-set active 3/3 nodes ready")

    assert run("status-get --format=json --include-data")["message"] == "3/3 nodes ready"


def test_given_a_secret_when_added_then_it_is_found_by_id_and_by_label(run, tmp_path):
    (tmp_path / "token").write_text("t0k", encoding="utf-8")

    identifier = run(f"secret-add --label=join token#file={tmp_path}/token")

    assert run(f"secret-get --format=json {identifier}") == {"token": "t0k"}
    assert run("secret-get --format=json --label join") == {"token": "t0k"}
    assert run(f"secret-info-get --format=json {identifier}").popitem()[1]["label"] == "join"


def test_given_a_secret_when_changed_and_removed_then_the_model_follows(run):
    identifier = run("secret-add token=a")

    run(f"secret-set {identifier} token=b")
    changed = run.model()["secrets"][identifier]
    run(f"secret-remove {identifier}")

    assert changed["revision"] == 2
    assert changed["content"] == {"token": "b"}
    assert "not found" in run(f"secret-get {identifier}")


def test_given_no_resource_when_asked_then_it_fails_as_juju_does(run):
    assert "not found" in run("resource-get images")


def test_given_stored_state_when_set_and_deleted_then_it_follows(run):
    run("state-set a=1 b=2")
    run("state-delete a")

    assert run("state-get --format=json") == {"b": "2"}


def test_given_a_binding_when_asked_then_the_address_is_answered(run):
    network = run("network-get --format=json cluster")

    assert network["ingress-addresses"] == ["10.20.0.11"]
    assert network["bind-addresses"][0]["addresses"][0]["cidr"] == "10.20.0.0/24"


@pytest.mark.parametrize(
    "name", sorted(set(hook_command.COMMANDS) - {"relation-list", "relation-get", "relation-set"})
)
def test_given_any_command_when_called_with_a_word_then_it_does_not_crash(run, name):
    run(f"{name} secret:none=x", relations=[])
