"""The stand-in's silences: taken, listed and ended as the real Alertmanager does it."""

import json
import urllib.error

import pytest

from edgecloud.host import web
from edgelab import pi
from edgelab.pi import silencing, state

URL = "http://127.0.0.1:19093/api/v2"
WISH = {
    "matchers": [
        {"name": "alertname", "value": "NodeSilent|TargetDown", "isRegex": True},
        {"name": "node", "value": "pi-2", "isRegex": False},
    ],
    "startsAt": "2027-01-15T08:00:00Z",
    "endsAt": "2027-01-15T08:15:00Z",
    "createdBy": "somebody",
    "comment": "",
}


@pytest.fixture
def machine(tmp_path):
    made = pi.World(tmp_path, pi.Clock(1_800_000_000), seed=1).add_machine("0")
    made.units[silencing.UNIT] = state.Unit(active=True)
    return made


def post(machine, **changes):
    text = json.dumps({**WISH, **changes})
    said = web.send(machine.host(), f"{URL}/silences", method="POST", text=text, timeout_s=5)
    return json.loads(said)["silenceID"]


def listed(machine):
    return json.loads(web.fetch(machine.host(), f"{URL}/silences", timeout_s=5))


def states(machine):
    return [each["status"]["state"] for each in listed(machine)]


def test_given_a_silence_when_posted_then_it_is_active_until_its_end(machine):
    post(machine)

    assert states(machine) == ["active"]
    machine.world.clock.advance(900)
    assert states(machine) == ["expired"]


def test_given_a_silence_with_its_name_when_posted_again_then_it_is_the_same_one(machine):
    name = post(machine)

    assert post(machine, id=name, endsAt="2027-01-15T09:00:00Z") == name
    assert [each["endsAt"] for each in listed(machine)] == ["2027-01-15T09:00:00Z"]


def test_given_a_silence_when_deleted_then_it_is_over(machine):
    name = post(machine)

    web.send(machine.host(), f"{URL}/silence/{name}", method="DELETE", timeout_s=5)

    assert states(machine) == ["expired"]


@pytest.mark.parametrize(
    "changes", [{"endsAt": "2027-01-15T07:00:00Z"}, {"matchers": []}, {"id": "unknown"}], ids=str
)
def test_given_what_alertmanager_refuses_when_posted_then_it_is_refused(machine, changes):
    with pytest.raises(urllib.error.HTTPError):
        post(machine, **changes)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("DELETE", f"{URL}/silence/unknown"),
        ("POST", f"{URL}/alerts"),
        ("POST", "http://127.0.0.1:18428/api/v1/import"),
        ("POST", "http://192.0.2.9:19093/api/v2/silences"),
    ],
)
def test_given_a_wrong_place_when_sent_there_then_it_is_refused(machine, method, url):
    with pytest.raises(OSError):
        web.send(machine.host(), url, method=method, text="{}", timeout_s=5)


def test_given_an_alertmanager_that_does_not_run_when_asked_then_nobody_answers(machine):
    machine.units[silencing.UNIT].active = False

    with pytest.raises(OSError):
        listed(machine)
    with pytest.raises(OSError):
        post(machine)
