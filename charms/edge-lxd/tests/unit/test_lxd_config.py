"""Options: what is refused, with which remedy."""

import pytest

import lxd_config


@pytest.mark.parametrize(
    "channel", ["latest/stable", "stable", "5.21/nightly", "", "5.21/stable/x"]
)
def test_given_no_track_when_checked_then_the_remedy_is_said(channel):
    with pytest.raises(lxd_config.ConfigError, match="set a track"):
        lxd_config.LxdConfig(channel=channel)


@pytest.mark.parametrize("channel", ["5.0/stable", "4.0"])
def test_given_an_old_track_when_checked_then_it_is_refused(channel):
    with pytest.raises(lxd_config.ConfigError, match=r"below 5\.21"):
        lxd_config.LxdConfig(channel=channel)


def test_given_a_track_alone_when_asked_then_it_is_the_stable_channel():
    assert lxd_config.LxdConfig(channel="6").full_channel == "6/stable"


@pytest.mark.parametrize(
    ("channel", "version", "lowers"),
    [
        ("5.21/stable", "5.21.4-8caf727", False),
        ("5.21/stable", "6.6-0bd9d43", True),
        ("6/stable", "5.21.4-8caf727", False),
        ("6/stable", "6.6-0bd9d43", False),
        ("5.21/edge", "", False),
    ],
)
def test_given_an_installed_lxd_when_the_channel_is_below_it_then_it_is_a_problem(
    channel, version, lowers
):
    config = lxd_config.LxdConfig(channel=channel)

    assert bool(lxd_config.track_problem(config, version)) is lowers
