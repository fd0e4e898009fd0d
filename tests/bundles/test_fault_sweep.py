"""A command that fails, at every point of a deployment: nothing is left half done for ever."""

import pathlib

from edgelab import pi

CHARM = pathlib.Path(__file__).parents[2] / "charms" / "edge-microk8s"
ARGUMENTS = "/var/snap/microk8s/current/args/kube-apiserver"

SEEDS = 20
"""Among them they let every command fail; with fewer (`--seeds`) it is a part of the commands."""

EFFECTS = (
    pi.fail(1, "made to fail"),
    pi.fail_late(1, "made to fail after its work"),
    pi.hang(),
)


def test_given_any_command_that_fails_once_when_deployed_then_the_site_comes_up(make_site, seed):
    healthy = make_site(seed=seed)
    healthy.settle()

    for index in range(seed, len(healthy.world.calls), SEEDS):
        site = make_site(seed=seed)
        site.world.fail_call(index, EFFECTS[index % len(EFFECTS)])
        site.settle()

        command = " ".join(site.world.calls[index].argv[:3])
        assert len(site.nodes()) == 3, f"{command} at {index}"
        assert set(site.statuses().values()) == {"active"}, f"{command} at {index}"
        site.close()


def begin(make_site, seed):
    """Settle a node, then let a worker join it while options change. Return site and call."""
    site = make_site(seed=seed, pis=1)
    site.settle()
    first = len(site.world.calls)
    options = {
        "autonomy": "3600",
        "node-labels": "rack=a",
        "encrypt-secrets": True,
        "extra-sans": "k8s.example.org",
        "registries": '[{"host": "docker.io", "mirrors": ["http://10.0.0.5:5000"]}]',
    }
    site.set_config("edge-microk8s", options)
    labels = {"node-labels": "rack=b", "node-taints": "kiosk=yes:NoSchedule"}
    site.add_application("kiosk-a", CHARM, config={"role": "worker", **labels})
    site.add_unit("kiosk-a")
    site.integrate("edge-microk8s:workers", "kiosk-a:control-plane")
    return site, first


def test_given_any_command_that_fails_once_when_a_worker_joins_and_options_change_then_all_is_well(
    make_site, seed
):
    healthy, first = begin(make_site, seed)
    healthy.settle()

    for index in range(first + seed, len(healthy.world.calls), SEEDS):
        site, _ = begin(make_site, seed)
        site.world.fail_call(index, EFFECTS[index % len(EFFECTS)])
        site.settle()

        command = " ".join(site.world.calls[index].argv[:3])
        nodes = site.cluster().nodes.values()
        assert set(site.statuses().values()) == {"active"}, f"{command} at {index}"
        assert sorted(node.labels["rack"] for node in nodes) == ["a", "b"], f"{command} at {index}"
        assert sum(bool(node.taints) for node in nodes) == 1, f"{command} at {index}"
        assert site.cluster().secrets_encrypted, f"{command} at {index}"
        plane = site.world.machines[site.units["edge-microk8s/0"].machine].host()
        assert "toleration-seconds=3600" in plane.read(ARGUMENTS), f"{command} at {index}"
        site.close()
