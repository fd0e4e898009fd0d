"""What an operator can ask of a member, on simulated machines."""

import json

import pytest
from conftest import books, name, report, said
from ops import testing

import second_storey
import view
from edgecloud import testing as relations
from edgecloud.interfaces.lxd_cluster import ClusterRecord
from edgecloud.lxd import certificates, cluster, images, instances, profiles, storage

EVACUATED, ONLINE = cluster.Status.EVACUATED, cluster.Status.ONLINE
ROOT = {"root": {"type": "disk", "path": "/", "pool": "local"}}


@pytest.fixture
def site(trio, unit, record):
    """Three members, and a unit on the first of them."""
    return Site(trio, unit(0), record(0, 1, 2))


class Site:
    def __init__(self, pis, unit, record):
        self.pis, self.unit, self.record = pis, unit, record
        self.config = {}

    def act(self, action, **params):
        peers = relations.lxd_peers(
            {n: said(self.pis, n, cluster=self.record.cluster) for n in (1, 2)},
            record=self.record,
        )
        return self.unit.act(action, peers=peers, params=params, config=self.config)

    def refusal(self, action, **params):
        with pytest.raises(testing.ActionFailed) as failure:
            self.act(action, **params)
        return failure.value.message

    def make(self, instance, *, on=0, pool="local", **config):
        api = self.pis.api(0)
        root = {"root": {**ROOT["root"], "pool": pool}}
        plan = instances.Plan(
            instance, instances.Source.nothing(), devices=root, config=config, member=name(on)
        )
        instances.create(api, plan)
        instances.ensure_running(api, instance)

    def status(self, number):
        members = {one.name: one.status for one in cluster.members(self.pis.api(0))}
        return members[name(number)]


def test_given_a_cluster_when_asked_then_members_pools_and_roles_are_shown(site):
    text = site.act("cluster-status")["status"]

    assert "summary   3/3 members online, 3 voters" in text
    assert "edge-lxd-1" in text
    assert "btrfs, 10% full here" in text
    assert json.loads(site.act("cluster-status", format="json")["status"])["members"]


def test_given_a_member_when_evacuated_twice_and_restored_twice_then_all_is_as_before(site):
    site.make("moves", on=1)

    results = [site.act("evacuate", member=name(1))["result"] for _ in range(2)]
    evacuated, moved = site.status(1), instances.find(site.pis.api(0), "moves").member
    results += [site.act("restore", member=name(1))["result"] for _ in range(2)]

    assert results[0].startswith("evacuated")
    assert results[1].startswith("was evacuated already")
    assert results[2:] == ["in service again", "was in service already"]
    assert (evacuated, moved != name(1)) == (EVACUATED, True)
    assert instances.find(site.pis.api(0), "moves").member == name(1)


def test_given_an_action_when_the_status_has_something_to_say_of_it_then_a_hook_follows(site):
    site.act("cluster-status")
    assert not site.pis.ran("/usr/bin/systemd-run")

    site.act("evacuate", member=name(1))
    assert len(site.pis.ran("/usr/bin/systemd-run")) == 1

    site.refusal("evacuate", member=name(2))
    assert len(site.pis.ran("/usr/bin/systemd-run")) == 2


def test_given_an_evacuation_that_broke_off_when_run_again_then_it_is_finished(site):
    site.make("left", on=1)
    site.pis.world.lxd_sites[site.pis.world.machines["0"].lxd.site].members[
        name(1)
    ].evacuated = True

    site.act("evacuate", member=name(1))

    assert instances.find(site.pis.api(0), "left").member != name(1)
    assert site.status(1) is EVACUATED


def test_given_an_instance_that_was_stopped_on_the_way_when_restored_then_it_runs_again(site):
    site.make("forgotten", on=1)
    site.act("evacuate", member=name(1))
    instances.ensure_stopped(site.pis.api(0), "forgotten", force=True)

    site.act("restore", member=name(1))

    found = instances.find(site.pis.api(0), "forgotten")
    assert (found.member, found.running) == (name(1), True)
    assert not [key for key in found.config if key.startswith("user.edge-lxd")]


def test_given_one_member_out_when_another_is_to_go_then_it_is_refused(site):
    site.act("evacuate", member=name(1))

    refusal = site.refusal("evacuate", member=name(2))

    assert "edge-lxd-1 not in service" in refusal
    site.act("evacuate", member=name(2), force=True)


def test_given_a_wrong_name_when_evacuated_then_the_members_are_named(site):
    assert "there are edge-lxd-0, edge-lxd-1" in site.refusal("evacuate", member="pi-1")


def test_given_an_instance_when_a_snapshot_is_taken_and_restored_then_it_is(site):
    site.make("node")

    taken = site.act("snapshot-node", instance="node", snapshot="pre")
    back = site.act("restore-node", instance="node", snapshot="pre")

    assert taken["result"].startswith("taken; kept for 3 days")
    assert "has to join its cluster anew" in back["result"]
    assert "there is pre" in site.refusal("restore-node", instance="node", snapshot="other")


def test_given_a_pool_that_freezes_when_a_snapshot_is_wanted_then_it_is_refused(site):
    storage.ensure(site.pis.api(0), "slow", "dir", {}, members=[name(n) for n in range(3)])
    site.make("node", pool="slow")

    assert "would stand still" in site.refusal("snapshot-node", instance="node")


def test_given_no_such_instance_when_a_snapshot_is_wanted_then_it_says_so(site):
    assert site.refusal("snapshot-node", instance="x").startswith("0 instances are called x")


def test_given_a_backup_when_taken_nine_times_then_seven_are_kept_for_root_only(site):
    for _ in range(9):
        site.pis.world.clock.advance(60)
        results = site.act("backup")

    assert results["kept"] == "7"
    path = site.pis.host(0).path(results["backup"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert "server.key" in json.loads(path.read_text())["files"]


def test_given_a_majority_when_quorum_is_to_be_recovered_then_it_is_refused(site):
    assert "has its majority" in site.refusal("recover-quorum", confirm="x")


def test_given_the_majority_lost_when_confirmed_then_the_survivor_serves_alone(site):
    site.pis.power_off(1)
    site.pis.power_off(2)
    plan = site.act("recover-quorum")["plan"]
    identity = site.record.cluster[:12]

    results = site.act("recover-quorum", confirm=identity)

    assert f"confirm={identity}" in plan
    assert site.status(0) is ONLINE
    assert site.pis.host(0).exists(results["saved"])


def test_given_the_wrong_confirmation_when_quorum_is_lost_then_nothing_is_touched(site):
    site.pis.power_off(1)
    site.pis.power_off(2)

    assert "plan" in site.act("recover-quorum", confirm="f00")
    assert not site.pis.ran("recover-from-quorum-loss")


@pytest.fixture
def alone(trio, unit, record):
    """A new unit on a fourth machine; those of the three members are gone from the model."""
    trio.add(3).install(3)
    peers = relations.lxd_peers(record=record(0, 1, 2))
    return unit(3), peers, record(0, 1, 2).cluster[:12]


def test_given_no_unit_of_the_cluster_when_asked_to_begin_anew_then_only_after_confirmation(alone):
    new, peers, identity = alone

    plan = new.act("begin-anew", peers=peers)["plan"]
    wrong = new.act("begin-anew", peers=peers, params={"confirm": "f00"})
    state = new.dispatch(
        new.ctx.on.action("begin-anew", params={"confirm": identity}),
        new.state(peers=peers, leader=True),
    )

    assert wrong == {"plan": plan}
    assert f"confirm={identity}" in plan
    assert "edge-lxd-0, edge-lxd-1, edge-lxd-2" in plan
    assert report(state).given_up == identity
    anew = books(new.go_on(new.go_on(state)))
    assert anew.founder == "edge-lxd/3"
    assert anew.cluster not in (None, identity)
    assert [member.name for member in anew.members] == ["edge-lxd-3"]


def test_given_no_unit_of_the_cluster_when_nobody_gave_it_up_then_the_new_one_is_blocked(alone):
    new, peers, _ = alone

    state = new.go_on(new.update(peers=peers, leader=True))

    assert state.unit_status.name == "blocked"
    assert "edge-lxd-0" in state.unit_status.message
    assert books(state).cluster == peers_cluster(peers)


def peers_cluster(peers):
    return relations.decoded(ClusterRecord, peers.local_app_data).cluster


def test_given_a_unit_that_was_not_met_yet_when_asked_to_begin_anew_then_refused(alone):
    new, peers, identity = alone

    with pytest.raises(testing.ActionFailed, match="not all units have met"):
        new.act("begin-anew", peers=peers, planned_units=2, params={"confirm": identity})


def test_given_a_member_when_asked_to_begin_anew_then_refused(site):
    assert "in a cluster already" in site.refusal("begin-anew", confirm="x")


def left(instance, **fields):
    """What an earlier LXD knew of an instance, as it lies beside it on the disk."""
    plain = {
        "name": instance,
        "project": "default",
        "type": "container",
        "architecture": "aarch64",
        "description": "",
        "profiles": ["default"],
        "config": {},
        "devices": {},
        "snapshots": [],
    }
    return {**plain, **fields}


@pytest.fixture
def fresh(pis, unit):
    """A machine with a new card, in no cluster yet, and what the old one left on its disk."""
    pis.add(0).install(0)

    def recover(*documents):
        pis.world.machines["0"].drives[1]["left"] = list(documents)
        return unit(0).act("recover-disk", params={"disk": "/dev/nvme0n1"})

    return recover


def test_given_a_disk_that_outlived_its_card_when_recovered_then_its_instances_are_known(
    fresh, pis
):
    bridge = {"eth0": {"type": "nic", "network": "lxdbr0"}}
    nodes = left("node", project="microk8s", profiles=["default", "edge-lxd-nodes"])

    results = fresh(left("kept", devices=bridge), nodes)

    assert results["recovered"] == "kept, node"
    assert instances.find(pis.api(0), "kept") is not None
    assert storage.find(pis.api(0), "local").driver == "btrfs"
    assert profiles.find(pis.api(0).in_project("microk8s"), "edge-lxd-nodes") is not None


def test_given_what_nobody_can_guess_when_a_disk_is_recovered_then_it_is_named(fresh, pis):
    nic = {"eth0": {"type": "nic", "network": "plant"}}

    with pytest.raises(testing.ActionFailed, match=r"first make .* refer to: plant"):
        fresh(left("kept", devices=nic))

    assert storage.find(pis.api(0), "local") is None


def test_given_an_empty_disk_when_recovered_then_it_says_so(fresh):
    with pytest.raises(testing.ActionFailed, match="no instances were found on /dev/nvme0n1"):
        fresh()


def test_given_another_disk_when_recovered_then_lxds_own_words_are_said(pis, unit):
    pis.add(0).install(0)

    with pytest.raises(testing.ActionFailed, match=r"could not recover /dev/sdz: .*no such file"):
        unit(0).act("recover-disk", params={"disk": "/dev/sdz"})


def test_given_a_member_when_a_disk_is_to_be_recovered_then_it_is_refused(site):
    assert "in a cluster" in site.refusal("recover-disk", disk="/dev/nvme0n1")


def test_given_a_lost_member_without_a_unit_when_removed_then_only_after_a_dry_run(site):
    site.pis.power_off(2)
    assert "belongs to edge-lxd/2" in site.refusal("remove-member", member=name(2))
    members = tuple(one for one in site.record.members if one.unit != "edge-lxd/2")
    site.record = type(site.record)(**{**vars(site.record), "members": members})

    dry = site.act("remove-member", member=name(2))["result"]
    before = site.pis.members()
    site.act("remove-member", member=name(2), **{"dry-run": False})

    assert dry.startswith("would remove edge-lxd-2")
    assert name(2) in before
    assert name(2) not in site.pis.members()


def test_given_a_member_that_answers_when_removed_then_it_is_refused(site):
    members = tuple(one for one in site.record.members if one.unit != "edge-lxd/2")
    site.record = type(site.record)(**{**vars(site.record), "members": members})

    assert "answers: it is not lost" in site.refusal("remove-member", member=name(2))


def test_given_a_cluster_when_a_cloud_is_asked_for_then_three_commands_lead_there(site):
    results = site.act("get-cloud")

    cloud = json.loads(results["cloud"])["clouds"]["edge-lxd"]
    assert cloud["endpoint"] == "https://10.20.0.11:8443"
    cloud_command, credential_command, model_command = results["commands"].splitlines()
    # add-model looks for both on the controller; one of bare machines takes LXD by force only.
    for command in (cloud_command, credential_command):
        assert "--client --controller CONTROLLER" in command
    assert " --force" in cloud_command
    assert model_command.endswith("edge-lxd --controller CONTROLLER --config project=microk8s")
    [token] = certificates.tokens(site.pis.api(0))
    assert token.encode() == results["token"]
    project = profiles.find(site.pis.api(0).in_project("microk8s"), "default")
    assert project.config["security.nesting"] == "true"
    assert "security.privileged" not in project.config
    assert project.devices["kmsg"]["source"] == "/dev/kmsg"


def test_given_nobody_heard_of_yet_when_a_cloud_is_offered_then_its_endpoint_is_this_member():
    silent = view.View(
        name(1),
        "f",
        "5.21",
        members=tuple(
            cluster.Member(
                *(name(n), f"https://10.20.0.1{n}:8443", cluster.Status.OFFLINE, "", ()),
                *(True, False, "", "", {}, ()),
            )
            for n in (0, 1)
        ),
    )

    # Without one, Juju would take the LXD of the operator's own machine.
    assert second_storey.endpoints(silent) == ["https://10.20.0.11:8443"]


def test_given_an_image_when_imported_then_juju_finds_it_by_its_alias(site, tmp_path):
    image = tmp_path / "image.tar"
    image.write_bytes(b"an image" * 50)
    empty = tmp_path / "empty"
    empty.touch()
    resources = {
        testing.Resource(name="image-metadata", path=image),
        testing.Resource(name="image-rootfs", path=empty),
    }
    peers = relations.lxd_peers(record=site.record)

    results = site.unit.act("import-image", peers=peers, resources=resources)

    assert results["result"] == "imported"
    found = images.alias(site.pis.api(0), "juju/ubuntu@24.04/arm64")
    assert found == results["fingerprint"]


def test_given_a_wrong_option_when_a_member_is_restored_then_only_what_needs_options_is_refused(
    site,
):
    site.act("evacuate")
    site.config = {"channel": "latest/edge", "disk": "sda"}

    assert site.act("restore")["result"] == "in service again"
    refusal = site.refusal("get-cloud")
    assert "channel=latest/edge: set a track" in refusal
    assert "disk=sda: set auto" in refusal


def test_given_no_alias_when_an_image_is_imported_then_it_is_for_machines_like_this(
    pis, unit, tmp_path
):
    pis.add(0, arch="amd64").install(0).found(0)
    image, empty = tmp_path / "image.tar", tmp_path / "empty"
    image.write_bytes(b"an image")
    empty.touch()
    resources = {
        testing.Resource(name="image-metadata", path=image),
        testing.Resource(name="image-rootfs", path=empty),
    }

    results = unit(0).act("import-image", resources=resources)

    assert results["alias"] == "juju/ubuntu@24.04/amd64"


def test_given_no_image_when_imported_then_it_says_what_to_attach(site, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    names = ("image-metadata", "image-rootfs")
    resources = {testing.Resource(name=name, path=empty) for name in names}

    with pytest.raises(testing.ActionFailed, match="juju attach-resource"):
        site.unit.act("import-image", resources=resources)


def test_given_a_machine_when_checked_then_the_report_has_the_remedies(site):
    assert site.act("preflight")["result"] == "this machine is fit"
