import dataclasses
import pathlib

import hypothesis
import pytest
import yaml
from hypothesis import strategies

import node_config
from node_config import Birth, ConfigError, NodeConfig

CHARMCRAFT = pathlib.Path(__file__).parents[2] / "charmcraft.yaml"
BORN = Birth("control-plane", "10.152.183.0/24", "10.1.0.0/16")


def options():
    return yaml.safe_load(CHARMCRAFT.read_text())["config"]["options"]


def problems(**fields):
    with pytest.raises(ConfigError) as caught:
        NodeConfig(**fields)
    return caught.value.problems


def test_given_charmcraft_yaml_when_compared_then_options_and_defaults_are_the_same():
    declared = {
        name.replace("-", "_"): option.get("default") for name, option in options().items()
    }

    assert declared == {
        field.name: field.default for field in dataclasses.fields(node_config.NodeConfig)
    }


@pytest.mark.parametrize("name", options())
def test_given_an_option_when_described_then_a_stranger_learns_enough(name):
    assert len(options()[name]["description"].split()) >= 10


def test_given_the_defaults_when_checked_then_they_are_right_for_a_pi():
    config = NodeConfig()

    assert config.rbac
    assert config.datastore == "sd"
    assert config.full_channel == "1.35/stable"
    assert not config.is_worker


def test_given_many_problems_when_checked_then_all_are_named_at_once():
    found = problems(channel="latest/edge", role="master", backup_keep=0, autonomy="never")

    assert found == [
        "channel=latest/edge: set a version, such as 1.35 or 1.35/stable; never latest",
        "role=master: set control-plane or worker",
        "autonomy=never: set a number of seconds above 0, or forever",
        "backup-keep=0: set a number from 1 to 365",
    ]


def test_given_problems_when_the_error_is_shown_then_its_text_has_them_all():
    with pytest.raises(ConfigError, match=r"role=x: set .*; datastore=tape: set sd or ssd"):
        NodeConfig(role="x", datastore="tape")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"channel": "1.28/stable"}, "versions below 1.29 are not supported"),
        ({"channel": "1.35-strict/stable"}, "set a version"),
        ({"channel": "1.35/stable/hotfix"}, "set a version"),
        ({"channel": ""}, "set a version"),
        ({"profile": "huge"}, "set worker-512, tiny-1g, std-2g, full-4g or auto"),
        ({"addons": "dns dns"}, "dns is named twice"),
        ({"extra_sans": "a.example, b.example"}, "a.example, is no host name"),
        ({"extra_sans": "https://a.example"}, "is no host name and no address"),
        ({"extra_sans": "10.0.0.300"}, "10.0.0.300 is no host name and no address"),
        ({"extra_sans": "api.10"}, "api.10 is no host name"),
        ({"extra_sans": "a..example"}, "a..example is no host name"),
        ({"extra_sans": "a.-b.example"}, "a.-b.example is no host name"),
        ({"extra_sans": ".".join(["x" * 60] * 5)}, "is no host name"),
        ({"extra_sans": "fe80::1%eth0"}, "fe80::1%eth0 is no host name and no address"),
        ({"node_labels": "a..example/b=c"}, "a..example/b=c is no label"),
        ({"node_labels": f"{'.'.join(['x' * 60] * 5)}/b=c"}, "is no label"),
        ({"node_labels": "site"}, "site is no label: write key=value"),
        ({"node_labels": "a=b a=c"}, "a is there twice"),
        ({"node_labels": "a=" + "x" * 64}, "is no label"),
        ({"node_labels": "topology.kubernetes.io/zone=a"}, "set failure-domain instead"),
        ({"node_labels": "microk8s.io/cluster=no"}, "MicroK8s sets it itself"),
        ({"node_labels": "node.kubernetes.io/microk8s-worker=x"}, "MicroK8s sets it itself"),
        ({"node_taints": "a=b:Never"}, "write key=value:Effect with NoSchedule or Prefer"),
        ({"node_taints": "a=b"}, "is no taint"),
        ({"node_taints": "node.kubernetes.io/not-ready:NoExecute"}, "Kubernetes sets and removes"),
        ({"node_taints": "a=b:NoExecute a=c:NoExecute"}, "a with NoExecute is there twice"),
        ({"failure_domain": "rack a"}, "use up to 63 letters"),
        ({"service_cidr": "10.152.183.1/24"}, "has host bits set"),
        ({"service_cidr": "10.152.183.0/29"}, "use a prefix from /12 to /28"),
        ({"service_cidr": "fd00::/108"}, "write an IPv4 network"),
        ({"service_cidr": "127.0.0.0/16"}, "choose a private network"),
        ({"cluster_cidr": "224.0.0.0/8"}, "choose a private network"),
        ({"cluster_cidr": "169.254.0.0/16"}, "choose a private network"),
        ({"cluster_cidr": "10.1.0.0/26"}, "use a prefix from /8 to /24"),
        ({"cluster_cidr": "10.0.0.0/8"}, "overlap"),
        ({"containerd_http_proxy": "proxy:3128"}, "write a URL"),
        ({"containerd_https_proxy": "http://proxy:99999"}, "write a URL"),
        ({"containerd_no_proxy": "a.example, b.example"}, "divide them by commas, no spaces"),
        ({"registries": "docker.io"}, "it is no JSON"),
        ({"autonomy": "0"}, "set a number of seconds above 0"),
        ({"autonomy": "5m"}, "set a number of seconds above 0"),
        ({"backup_schedule": "every now and then"}, "no calendar event of systemd"),
        ({"backup_schedule": "Mon\n03:00"}, "Mon 03:00: Mon"),
        ({"registries": "[" * 5000}, "it is no JSON"),
        ({"backup_keep": 366}, "set a number from 1 to 365"),
    ],
)
def test_given_a_wrong_value_when_checked_then_the_problem_says_what_to_do(fields, problem):
    (found,) = problems(**fields)

    assert problem in found


@pytest.mark.parametrize(
    "fields",
    [
        {"channel": "1.36"},
        {"channel": "1.34/candidate"},
        {"role": "worker", "profile": "worker-512"},
        {"addons": ""},
        {"extra_sans": "k8s.example 10.0.0.9 fd00::9 *.site.example"},
        {"node_labels": "site=north example.com/power= a.b=c_d"},
        {"node_taints": "power=battery:NoSchedule lab:NoExecute empty=:PreferNoSchedule"},
        {"failure_domain": "rack-a"},
        {"service_cidr": "172.20.0.0/16", "cluster_cidr": "172.21.0.0/16"},
        {"containerd_http_proxy": "http://proxy.example:3128"},
        {"containerd_no_proxy": "10.0.0.0/8,.example,localhost"},
        {"autonomy": "forever"},
        {"backup_schedule": ""},
        {"registry_credentials": object()},
    ],
)
def test_given_a_right_value_when_checked_then_it_is_taken(fields):
    config = NodeConfig(**fields)

    assert all(getattr(config, name) == value for name, value in fields.items())


def test_given_a_password_in_an_option_when_refused_then_the_message_does_not_repeat_it():
    found = problems(
        containerd_https_proxy="http://pi:hunter2@proxy:1",
        registries='[{"host": "a", "password": "hunter2"}, {"host": "b", "mirrors":'
        ' ["http://pi:hunter2@m"]}]',
    )

    assert len(found) == 2
    assert "hunter2" not in " ".join(found)
    assert "registry-credentials" in found[1]


@hypothesis.given(
    values=strategies.fixed_dictionaries(
        {
            field.name: strategies.text(max_size=12)
            for field in dataclasses.fields(NodeConfig)
            if isinstance(field.default, str)
        }
    )
)
def test_given_anything_when_checked_then_it_is_taken_or_refused_but_never_breaks(values):
    try:
        config = NodeConfig(**values)
    except ConfigError as error:
        assert error.problems
    else:
        assert config.toleration_s > 0
        assert config.full_channel.count("/") == 1


@hypothesis.given(
    labels=strategies.dictionaries(
        strategies.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True),
        strategies.from_regex(r"([a-z0-9]([a-z0-9.]{0,8}[a-z0-9])?)?", fullmatch=True),
    )
)
def test_given_legal_labels_when_written_as_an_option_then_they_are_read_back(labels):
    text = " ".join(f"{key}={value}" for key, value in labels.items())

    assert NodeConfig(node_labels=text).labels == labels


def test_given_taints_when_read_then_an_empty_value_is_none():
    config = NodeConfig(node_taints="a=b:NoSchedule c=:NoExecute d:NoExecute")

    assert config.taints == ("a=b:NoSchedule", "c:NoExecute", "d:NoExecute")


@pytest.mark.parametrize(("autonomy", "seconds"), [("300", 300), ("forever", 315_360_000)])
def test_given_autonomy_when_read_then_it_is_a_number_of_seconds(autonomy, seconds):
    assert NodeConfig(autonomy=autonomy).toleration_s == seconds


def test_given_no_proxy_when_read_then_the_environment_is_empty():
    assert NodeConfig().proxies == {}


def test_given_a_proxy_when_read_then_the_cluster_itself_is_reached_without_it():
    config = NodeConfig(containerd_https_proxy="http://p:1", containerd_no_proxy="a.example,")

    assert config.proxies == {
        "HTTPS_PROXY": "http://p:1",
        "NO_PROXY": "a.example,127.0.0.1,localhost,10.152.183.0/24,10.1.0.0/16",
    }


def test_given_an_unchanged_configuration_when_compared_then_nothing_is_wrong():
    assert node_config.immutable_problems(NodeConfig(), BORN) == []
    assert node_config.immutable_problems(NodeConfig(), Birth()) == []


def test_given_changed_immutable_options_when_compared_then_each_says_what_to_revert_to():
    config = NodeConfig(role="worker", service_cidr="172.20.0.0/16", cluster_cidr="172.21.0.0/16")

    assert node_config.immutable_problems(config, BORN) == [
        "role=worker cannot be changed after the deployment: set it back to control-plane",
        "service-cidr=172.20.0.0/16 cannot be changed after the deployment: set it back to"
        " 10.152.183.0/24",
        "cluster-cidr=172.21.0.0/16 cannot be changed after the deployment: set it back to"
        " 10.1.0.0/16",
    ]


@pytest.mark.parametrize("installed", [None, "", "1.35.2", "v1.34.9", "unknown"])
def test_given_the_same_or_a_higher_track_when_compared_then_it_is_taken(installed):
    assert node_config.track_problem(NodeConfig(), installed) is None


def test_given_a_lower_track_when_compared_then_it_is_refused():
    assert node_config.track_problem(NodeConfig(channel="1.34"), "1.35.2") == (
        "channel=1.34 is below the installed 1.35.2, and the datastore cannot go back: set it to"
        " 1.35/stable or above"
    )


def test_given_a_channel_that_was_right_when_the_node_was_upgraded_past_it_then_it_is_no_problem():
    lower = NodeConfig(channel="1.34")

    assert node_config.track_problem(lower, "1.35.2", accepted="1.34") is None
    assert node_config.track_problem(lower, "1.35.2", accepted="1.35")


@pytest.mark.parametrize(
    ("channel", "installed", "note"),
    [
        pytest.param("1.34", "v1.35.2", "=1.34: set it to 1.35/stable", id="below"),
        pytest.param(
            "1.36", "v1.35.2", "1.36 is for new nodes: this one stays on v1.35.2", id="above"
        ),
        pytest.param("1.35", "v1.35.2", None, id="same"),
        pytest.param("1.36", None, None, id="not installed"),
    ],
)
def test_given_a_channel_that_is_not_the_installed_version_when_asked_then_it_says_so(
    channel, installed, note
):
    said = node_config.track_note(node_config.NodeConfig(channel=channel), installed)

    assert (said or "").endswith(note or "")
    assert (said is None) is (note is None)
