import json

import hypothesis
import pytest
from hypothesis import strategies

import encryption
import microk8s
from edgecloud.host import kubectl
from edgelab import pi
from encryption import Encryption, Key, Stage

A, B = Key("a", "c2VjcmV0LWE="), Key("b", "c2VjcmV0LWI=")
ON = Encryption(Stage.ON, (A,))
STATES = strategies.builds(
    Encryption,
    strategies.sampled_from(Stage),
    strategies.lists(strategies.builds(Key, strategies.text(), strategies.text())).map(tuple),
)


@pytest.fixture
def machine(tmp_path):
    world = pi.World(tmp_path, pi.Clock(1_800_000_000))
    found = world.add_machine("0")
    microk8s.install(found.host(), channel="1.35/stable", launch="version: 0.2.0\n")
    world.clock.advance(120)
    world.tick()
    return found


def step(state, *, wanted=True, everywhere=True, rewritten=True, rotate=None):
    return encryption.advance(
        state, wanted=wanted, everywhere=everywhere, rewritten=rewritten, rotate=rotate
    )


def readable(state):
    """Return what an API server in this state can read, its own writing first."""
    text = encryption.render(state)
    if not text:
        return ["plain"]
    providers = json.loads(text)["resources"][0]["providers"]
    return [
        name
        for provider in providers
        for name in (
            ["plain"]
            if "identity" in provider
            else [k["name"] for k in provider["secretbox"]["keys"]]
        )
    ]


def add_secret(machine):
    command = ("create", "secret", "generic", "door", "--from-literal=code=1234")
    kubectl.run(machine.host(), microk8s.ADMIN, *command)


def run(machine, state):
    """Do on a node what a stage calls for."""
    if encryption.ensure(machine.host(), state):
        microk8s.restart(machine.host(), ["kubelite"])
    machine.world.clock.advance(60)
    machine.world.tick()
    if state.rewrites:
        encryption.write_anew(machine.host(), microk8s.ADMIN, state)


def test_given_nothing_encrypted_when_wanted_then_the_key_is_learnt_before_it_writes():
    learning = step(Encryption(), rotate=A)

    assert (learning.stage, readable(learning)) == (Stage.LEARNING, ["plain", "a"])
    assert readable(step(learning)) == ["a", "plain"]
    assert step(step(learning)) == ON


def test_given_a_new_key_when_rotated_then_both_are_there_and_then_one():
    rotating = step(ON, rotate=B)
    rewriting = step(rotating)

    assert readable(rotating)[:2] == ["a", "b"]
    assert readable(rewriting)[:2] == ["b", "a"]
    assert step(rewriting) == Encryption(Stage.ON, (B,))


def test_given_it_is_no_longer_wanted_when_advanced_then_secrets_are_written_in_plain_first():
    leaving = step(ON, wanted=False)

    assert readable(leaving) == ["plain", "a"]
    assert step(leaving, wanted=False, rewritten=False) == leaving
    assert step(leaving, wanted=False) == Encryption()


def test_given_a_node_that_lags_when_advanced_then_nothing_moves():
    assert step(ON, everywhere=False, rotate=B) == ON


@hypothesis.given(
    strategies.lists(
        strategies.tuples(
            strategies.booleans(),
            strategies.booleans(),
            strategies.booleans(),
            strategies.sampled_from([None, A, B]),
        ),
        max_size=40,
    )
)
def test_given_any_wishes_when_advanced_then_every_node_reads_what_any_node_writes(wishes):
    state, stored = Encryption(), {"plain"}
    for wanted, everywhere, rewritten, rotate in wishes:
        rotate = None if rotate in state.keys else rotate
        if everywhere and rewritten:
            stored = {readable(state)[0]}
        following = step(
            state, wanted=wanted, everywhere=everywhere, rewritten=rewritten, rotate=rotate
        )
        stored |= {readable(state)[0], readable(following)[0]}
        assert stored <= set(readable(following))
        assert stored <= set(readable(state))
        state = following


@hypothesis.given(STATES)
def test_given_any_state_when_encoded_then_decoding_gives_it_back(state):
    assert encryption.decode(encryption.encode(state)) == state


def test_given_a_state_when_shown_then_no_key_is_in_it():
    assert A.secret not in repr(ON)
    assert A.secret not in ON.version


def test_given_an_odd_secret_when_decoded_then_it_is_refused():
    with pytest.raises(ValueError, match="no keys"):
        encryption.decode({"keys": "[1]"})


def test_given_two_new_keys_when_made_then_they_differ():
    assert encryption.new_key("a") != encryption.new_key("a")


def test_given_keys_when_ensured_then_root_alone_reads_them_and_a_second_run_changes_nothing(
    machine,
):
    host = machine.host()

    assert encryption.ensure(host, ON)

    assert host.path(encryption.FILE).stat().st_mode & 0o777 == 0o600
    assert f"{encryption.FLAG}={encryption.FILE}" in host.read(encryption.APISERVER)
    assert not encryption.ensure(host, ON)


def test_given_encryption_off_when_ensured_then_flag_and_file_are_as_before(machine):
    before = machine.host().read(encryption.APISERVER)
    encryption.ensure(machine.host(), ON)

    assert encryption.ensure(machine.host(), Encryption())

    assert machine.host().read(encryption.APISERVER) == before
    assert not machine.host().exists(encryption.FILE)


def test_given_secrets_in_plain_when_all_stages_are_gone_through_then_each_is_encrypted(machine):
    state = Encryption()
    (cluster,) = machine.world.clusters.values()
    add_secret(machine)
    assert not cluster.secrets_encrypted

    while state != ON:
        state = step(state, rotate=A if state.stage is Stage.OFF else None)
        run(machine, state)

    assert cluster.secrets_encrypted


def test_given_a_new_key_when_rotated_on_a_node_then_secrets_stay_readable(machine):
    add_secret(machine)
    for state in (ON, Encryption(Stage.ROTATING, (A, B)), Encryption(Stage.REWRITING, (B, A))):
        run(machine, state)

    run(machine, Encryption(Stage.ON, (B,)))

    names = kubectl.get_json(machine.host(), microk8s.ADMIN, "secrets", "-A")["items"]
    assert names


def test_given_a_node_when_secrets_are_written_anew_then_no_secret_passes_through(machine):
    encryption.write_anew(machine.host(), microk8s.ADMIN, ON)

    (call,) = [call for call in machine.world.calls if "annotate" in call.argv]
    assert "--all-namespaces" in call.argv
    assert call.stdin_size == 0


def test_given_no_api_when_secrets_are_written_anew_then_it_raises(machine):
    machine.faults.add(pi.Fault(("/snap/microk8s/current/kubectl",), pi.fail(1, "refused")))

    with pytest.raises(encryption.EncryptionError, match="refused"):
        encryption.write_anew(machine.host(), microk8s.ADMIN, ON)
