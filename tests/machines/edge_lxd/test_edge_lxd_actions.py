"""The charm's actions on real daemons that are well."""

import json
import re
import threading

import lxd_site
import pytest

import brought
from edgecloud.lxd import (
    client,
    cluster,
    errors,
    instances,
    profiles,
    server,
    transport,
)

OFFLINE = cluster.Status.OFFLINE


def test_given_an_evacuation_when_its_daemon_is_killed_then_running_it_again_ends_well(
    cloud, instance_on, progress
):
    unit = next(name for name in sorted(cloud.units) if name != cloud.leader())
    member = unit.replace("/", "-")
    instance_on("one", unit)
    instance_on("two", unit)

    killer = threading.Timer(0.4, cloud.real[unit].kill)
    killer.start()
    broken = cloud.run(cloud.leader(), "evacuate", {"member": member})
    killer.join()
    progress(f"kill -9 in the evacuation, which {broken.status}")
    cloud.real[unit].start()
    lxd_site.until(lambda: is_heard_of(cloud, member))
    first = cloud.do(cloud.leader(), "evacuate", member=member)
    again = cloud.do(cloud.leader(), "evacuate", member=member)
    assert first["member"] == member
    assert again["result"].startswith("was evacuated already")
    assert not [one for one in running(cloud) if one.member == member]

    cloud.do(cloud.leader(), "restore", member=member)
    assert cloud.do(cloud.leader(), "restore", member=member)["result"].startswith("was")
    assert [one.member for one in running(cloud)] == [member, member]


def running(cloud):
    found = instances.every(cloud.api(cloud.leader()))
    return [one for one in found if one.running and one.name in ("one", "two")]


def is_heard_of(cloud, member):
    try:
        found = {one.name: one.status for one in cluster.members(cloud.api(cloud.leader()))}
    except errors.LxdError:
        return False
    return found[member] is not OFFLINE


def test_given_an_instance_when_a_snapshot_is_restored_then_it_runs_again(cloud, instance_on):
    unit = cloud.leader()
    instance_on("node", unit)

    taken = cloud.do(unit, "snapshot-node", instance="node", snapshot="pre")
    cloud.do(unit, "restore-node", instance="node", snapshot="pre")

    assert taken["result"].startswith("taken")
    assert instances.find(cloud.api(unit), "node").running


def test_given_a_backup_when_taken_then_it_holds_the_database_and_reads_back(cloud):
    found = cloud.do(cloud.leader(), "backup")

    held = json.loads(cloud.host(cloud.leader()).read(found["backup"]))
    assert "INSERT INTO nodes" in held["global"]


def test_given_the_metrics_certificate_when_used_then_it_is_good_for_metrics_only(
    cloud, instance_on
):
    instance_on("measured", cloud.leader())
    at = metrics_of(cloud, cloud.leader())

    assert measured(at, "measured")
    elsewhere = transport.TlsAddress(at.host, 8443, at.fingerprint, at.certificate, at.key)
    with pytest.raises(errors.ForbiddenError):
        instances.every(client.Client(elsewhere))


def test_given_an_instance_when_measured_then_there_is_what_alerts_and_dashboard_ask_for(
    cloud, instance_on
):
    instance_on("watched", cloud.leader())
    told = json.dumps([brought.groups(), brought.dashboards()])
    asked = set(re.findall(r"lxd_\w+", told))

    shown = set(
        re.findall(r"^lxd_\w+", measured(metrics_of(cloud, cloud.leader()), "watched"), re.M)
    )

    # LXD 5.0 counts neither. The kernel counts who was killed, for edge-monitor's ProgramKilled.
    assert asked - shown <= {"lxd_memory_OOM_kills_total", "lxd_warnings_total"}


def metrics_of(cloud, unit):
    """Return where a member shows its metrics, with the certificate that the charm made."""
    host = cloud.host(unit)
    return transport.TlsAddress(
        cloud.real[unit].address.partition(":")[0],
        8444,
        server.get(cloud.api(unit)).fingerprint,
        host.path("/var/lib/edge-lxd/metrics-client.crt"),
        host.path("/var/lib/edge-lxd/metrics-client.key"),
    )


def measured(at, name):
    """Return what is measured, once an instance is in it: LXD measures every eight seconds."""

    def found():
        text = server.metrics(client.Client(at))
        return text if f'name="{name}"' in text else ""

    return lxd_site.until(found)


def test_given_a_cloud_when_offered_then_its_token_is_for_one_project(cloud):
    unit = cloud.leader()

    found = cloud.do(unit, "get-cloud")

    assert json.loads(found["cloud"])["clouds"]["edge-lxd"]["endpoint"].startswith("https://127.")
    node = profiles.find(cloud.api(unit).in_project("microk8s"), "default")
    assert node.config["security.nesting"] == "true"
