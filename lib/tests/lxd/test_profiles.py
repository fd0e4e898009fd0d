from hypothesis import given
from hypothesis import strategies as st

from edgecloud.lxd import profiles, projects

PROFILE = "/1.0/profiles/node"
PROJECT = "/1.0/projects/edge"
KEYS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"))
DEVICES = st.dictionaries(st.sampled_from("de"), KEYS)


def _profile(config, devices):
    return profiles.Profile("p", "", config, devices, ())


def test_given_no_profile_when_ensured_then_made(fake, lxd):
    fake.serves("/1.0/profiles", method="POST")

    assert profiles.ensure(lxd, "node", {"limits.cpu": "1"}, {"k": {"type": "none"}})

    sent = fake.last("POST").json
    assert (sent["name"], sent["config"], sent["devices"]) == (
        "node",
        {"limits.cpu": "1"},
        {"k": {"type": "none"}},
    )


def test_given_drifted_profile_when_ensured_then_what_is_foreign_goes(fake, lxd):
    fake.serves(PROFILE, {"name": "node", "config": {"foreign": "1"}, "devices": {}})
    fake.serves(PROFILE, method="PUT")

    assert profiles.ensure(lxd, "node", {"limits.cpu": "1"}, {})

    assert fake.last("PUT").json["config"] == {"limits.cpu": "1"}


def test_given_profile_as_wanted_when_ensured_then_nothing_is_written(fake, lxd):
    fake.serves(PROFILE, {"description": "", "config": {"a": "1"}, "devices": {}})

    assert profiles.ensure(lxd, "node", {"a": "1"}, {}) is False
    assert fake.written() == []


def test_given_somebody_faster_when_ensured_then_theirs_is_put_right(fake, lxd):
    fake.refuses("GET", PROFILE, 404, "Profile not found")
    fake.serves(PROFILE, {"config": {"theirs": "1"}})
    fake.refuses("POST", "/1.0/profiles", 409, 'The profile "node" already exists')
    fake.serves(PROFILE, method="PUT")

    assert profiles.ensure(lxd, "node", {"mine": "1"}, {})

    assert fake.last("PUT").json["config"] == {"mine": "1"}


def test_given_profile_of_others_when_keys_are_set_then_theirs_stay(fake, lxd):
    fake.serves(PROFILE, {"config": {"theirs": "1"}, "devices": {"root": {"type": "disk"}}})
    fake.serves(PROFILE, method="PUT")

    assert profiles.ensure_keys(lxd, "node", {"mine": "1"}, {"kmsg": {"type": "unix-char"}})

    sent = fake.last("PUT").json
    assert sent["config"] == {"theirs": "1", "mine": "1"}
    assert set(sent["devices"]) == {"root", "kmsg"}


def test_given_profiles_when_listed_then_by_name(fake, lxd):
    fake.serves("/1.0/profiles", [{"name": "b"}, {"name": "a"}])

    assert [one.name for one in profiles.every(lxd)] == ["a", "b"]


def test_given_profile_when_removed_then_only_once(fake, lxd):
    fake.serves(PROFILE, method="DELETE")
    fake.refuses("DELETE", PROFILE, 404, "Profile not found")

    assert profiles.ensure_absent(lxd, "node")
    assert not profiles.ensure_absent(lxd, "node")


@given(KEYS, DEVICES, KEYS, DEVICES)
def test_given_any_profile_when_compared_then_drift_is_just_what_differs(
    config, devices, wanted, wanted_devices
):
    drift = profiles.drift(_profile(config, devices), wanted, wanted_devices)

    assert (not drift) == (config == wanted and devices == wanted_devices)
    assert all(config.get(key) != wanted.get(key) for key in drift if len(key) == 1)


def test_given_no_project_when_ensured_then_made(fake, lxd):
    fake.serves("/1.0/projects", method="POST")

    assert projects.ensure(lxd, "edge", {"features.images": "false"})

    assert fake.last("POST").json["config"] == {"features.images": "false"}


def test_given_project_when_ensured_then_other_keys_stay(fake, lxd):
    fake.serves(PROJECT, {"name": "edge", "config": {"restricted": "true"}})
    fake.serves(PROJECT, method="PUT")

    assert projects.ensure(lxd, "edge", {"limits.cpu": "4"})

    assert fake.last("PUT").json["config"] == {"restricted": "true", "limits.cpu": "4"}
    assert projects.find(lxd, "edge").config == {"restricted": "true"}
    assert projects.find(lxd, "other") is None
