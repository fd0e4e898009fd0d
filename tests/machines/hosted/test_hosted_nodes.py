"""Nodes without an agent join over ``cluster_join``, inside real containers with real systemd."""

import agent_containers
import hosted_site
import pool_site
import pytest

import pool_profile
from edgecloud.lxd import events, images, instances

FIRST, SECOND, SUCCESSOR = "edge-lxd-0-1a", "edge-lxd-0-2a", "edge-lxd-0-1b"


@pytest.fixture(scope="module")
def site_of_nodes(site, progress, tmp_path_factory):
    """Return a host of nodes, whose containers see the simulated world in a folder of its."""
    folder = site.folder / "hosted"
    former = pool_profile.devices
    with pool_site.site_of(site, "hosted") as pool_host:
        made = hosted_site.make(
            pool_host,
            folder,
            tmp_path_factory.mktemp("state"),
            progress,
            (FIRST, SECOND, SUCCESSOR),
        )
        file = agent_containers.image(site.folder, progress)
        fingerprint, _ = images.ensure(pool_host.api, file)
        images.ensure_alias(pool_host.api, "node", fingerprint)
        shared = {"type": "disk", "source": str(folder), "path": str(folder)}
        pool_profile.devices = lambda *words: {**former(*words), "shared": shared}
        progress("the control plane and the image are there")
        try:
            yield made
        finally:
            pool_profile.devices = former
            made.plane.world.close()


def test_given_two_nodes_wanted_when_hooks_run_then_they_join_and_then_nothing_is_touched(
    site_of_nodes, progress
):
    outcome = site_of_nodes.until_settled(2)
    progress("both nodes are in")

    assert (outcome.joined, site_of_nodes.plane.workers()) == (2, [FIRST, SECOND])
    with events.listen(site_of_nodes.pools.api) as stream:
        site_of_nodes.hook(2)
        seen = [event.action or event.content.get("description") for event in stream.until(1.0)]
    assert seen == []
    for url in site_of_nodes.plane.urls.values():
        token = url.partition("/")[2].partition("/")[0]
        for name in (FIRST, SECOND):
            script = f"grep -rl {token} /run /root /etc /tmp /var/log || true"
            assert site_of_nodes.pools.run(name, script).stdout == ""


def test_given_a_node_when_replaced_then_a_new_one_is_in_before_the_old_one_goes(
    site_of_nodes, progress
):
    site_of_nodes.until_settled(2)
    counts = []
    site_of_nodes.build = site_of_nodes.plane.world.ask("candidate")
    site_of_nodes.now().replace(FIRST)

    for _ in range(40):
        outcome = site_of_nodes.hook(2)
        counts.append(len(site_of_nodes.plane.workers()))
        if outcome.replaced:
            break
    progress(outcome.replaced)

    assert outcome.replaced == f"{SUCCESSOR} took the place of {FIRST}"
    assert site_of_nodes.plane.workers() == [SUCCESSOR, SECOND]
    assert site_of_nodes.running() == [SUCCESSOR, SECOND]
    assert (min(counts), max(counts)) == (2, 3)
    builds = {name: one.revision for name, one in site_of_nodes.now().builds().items()}
    assert builds.pop(SUCCESSOR) == site_of_nodes.build not in builds.values()


def test_given_a_smaller_pool_when_hooks_run_then_the_last_is_drained_and_then_deleted(
    site_of_nodes,
):
    site_of_nodes.until_settled(2)

    assert site_of_nodes.hook(1).waits_for == f"{SECOND} is being drained"
    assert instances.find(site_of_nodes.pools.api, SECOND).running
    site_of_nodes.until_settled(1)

    assert SECOND in site_of_nodes.plane.drained
    assert instances.find(site_of_nodes.pools.api, SECOND) is None
    assert len(site_of_nodes.plane.workers()) == 1
