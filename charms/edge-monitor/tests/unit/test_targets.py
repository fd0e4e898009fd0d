"""What is scraped of the units that Juju knows."""

import targets
from targets import Topology, Unit

OWN = Unit("mon/0", "mon", "10.0.0.9")
SITE = Topology("edge", "uuid")


def planned(*units, present=(), series=30_000, guests=()):
    return targets.plan(
        units,
        own=OWN,
        node="pi-9",
        topology=SITE,
        present=present,
        daemon="edge-monitor-store",
        series=series,
        ports={"node": 19100},
        guests=guests,
    )


def job(port, **more):
    return {
        "job_name": "j",
        "static_configs": [{"targets": [f"localhost:{port}"], "labels": {}}],
        **more,
    }


def test_given_a_unit_when_planned_then_its_series_say_where_juju_has_them_from():
    plan = planned(Unit("k/1", "k", "10.0.0.1", [job(1338)]))

    (labels,) = [
        labels for each in plan.jobs for target, labels in each.targets if "1338" in target
    ]
    assert labels == {
        "juju_model": "edge",
        "juju_model_uuid": "uuid",
        "juju_application": "k",
        "juju_unit": "k/1",
    }


def test_given_a_unit_that_says_nothing_when_planned_then_it_is_expected_all_the_same():
    plan = planned(Unit("k/0", "k", "10.0.0.1", [job(1)]), Unit("k/1", "k", "10.0.0.2", None))

    assert plan.expected == {"mon": 1, "k": 2}
    assert plan.silent == ("k/1",)


def test_given_the_stock_charms_five_copies_when_planned_then_one_is_scraped():
    copies = [job(16443), job(16443), job(16443), job(10250), job(10250)]

    plan = planned(Unit("k/0", "k", "10.0.0.1", copies))

    found = [target for each in plan.jobs for target, _ in each.targets if "10.0.0.1" in target]
    assert found == ["10.0.0.1:10250"]


def test_given_many_series_when_planned_then_no_target_may_take_them_all():
    assert {each.series_limit for each in planned().jobs} == {targets.PER_TARGET}
    assert {each.series_limit for each in planned(series=2000).jobs} == {2000}


def test_given_members_of_lxd_when_planned_then_each_is_scraped_with_the_certificate_here():
    files = [path for path in targets.LENDABLE if "edge-lxd" in path]
    certificate, key, authority = files
    tls = {"ca_file": authority, "cert_file": certificate, "key_file": key, "server_name": "m1"}
    members = [
        Unit(
            f"lxd/{n}",
            "lxd",
            f"10.0.0.{n}",
            [
                job(0, metrics_path="/1.0/metrics", scheme="https", tls_config=tls)
                | {"static_configs": [{"targets": [f"10.0.0.{n}:8444"]}]}
            ],
        )
        for n in (1, 2)
    ]

    plan = planned(*members, present=files)

    found = [each for each in plan.jobs if each.path == "/1.0/metrics"]
    assert [target for each in found for target, _ in each.targets] == [
        "10.0.0.1:8444",
        "10.0.0.2:8444",
    ]
    lent = "/run/credentials/edge-monitor-store.service/var-lib-edge-lxd-metrics-client.key"
    assert {each.key_file for each in found} == {lent}
    assert sorted(plan.lent.values()) == sorted(files)
    assert planned(*members, present=files[:2]).silent == ("lxd/1", "lxd/2")


def test_given_a_charm_of_others_when_it_names_a_file_that_is_lent_then_it_gets_none():
    token = targets.LENDABLE[0]
    wants = job(1, authorization={"credentials_file": token})
    present = {token}

    ours = planned(Unit("k/0", "k", "10.0.0.1", [wants]), present=present)
    theirs = planned(present=present, guests=[Unit("x/0", "x", "10.0.0.2", [wants])])

    assert list(ours.lent.values()) == [token]
    assert (theirs.lent, theirs.silent) == ({}, ("x/0",))
