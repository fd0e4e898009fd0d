import pathlib

import yaml

import preflight

PROFILE = yaml.safe_load((pathlib.Path(__file__).parents[2] / "lxd-profile.yaml").read_text())


def test_given_the_profile_when_juju_checks_it_then_nothing_in_it_is_forbidden():
    kinds = {device["type"] for device in PROFILE["devices"].values()}

    assert kinds <= {"unix-char", "unix-block", "gpu", "usb"}
    assert not any(key.startswith(("boot", "limits", "migration")) for key in PROFILE["config"])


def test_given_the_profile_when_lxd_reads_it_then_all_values_are_text():
    assert all(isinstance(value, str) for value in PROFILE["config"].values())


def test_given_the_profile_when_preflight_runs_inside_then_what_it_asks_for_is_there():
    modules = PROFILE["config"]["linux.kernel_modules"].split(",")

    assert set(preflight.MODULES) <= set(modules)
    assert PROFILE["devices"]["kmsg"]["path"] == "/dev/kmsg"
