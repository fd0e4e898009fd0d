"""That the tests on real machines leave nothing behind, whatever state they end in."""

import lxd_site

from edgecloud.lxd import images, instances, networks, storage


def test_given_daemon_killed_under_a_running_instance_when_removed_then_nothing_is_left(
    image_files,
):
    config = {"ipv4.address": "10.198.77.1/24", "ipv6.address": "none"}
    with lxd_site.site() as site:
        real = site.daemon("doomed", listens=False)
        storage.ensure(real.api, "loop", "btrfs", {"size": "256MiB"})
        networks.ensure(real.api, site.bridge, config)
        devices = {
            "root": {"type": "disk", "path": "/", "pool": "loop"},
            "eth0": {"type": "nic", "network": site.bridge},
        }
        fingerprint, _ = images.ensure(real.api, image_files[0])
        source = instances.Source.image(fingerprint)
        instances.create(real.api, instances.Plan("i", source, devices=devices))
        instances.ensure_running(real.api, "i")
        found = site.left()

        real.kill()

    assert set(found) == {"processes", "mounts", "links", "rules", "loops", "groups"}
    assert site.left() == {}
    assert not site.folder.exists()
