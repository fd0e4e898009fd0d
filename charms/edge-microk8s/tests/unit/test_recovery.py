import io
import tarfile

import hypothesis
import pytest
import yaml
from hypothesis import strategies

import backup
import join_tokens
import microk8s
import quorum
import recovery
from edgelab import pi

ADDRESSES = ["10.20.0.11", "10.20.0.12", "10.20.0.13"]
MEMBERS = tuple(microk8s.Member(a, n, quorum.Role.VOTER) for n, a in enumerate(ADDRESSES, 1))


@pytest.fixture
def world(tmp_path):
    found = pi.World(tmp_path, pi.Clock(1_800_000_000))
    for name in "012":
        host = found.add_machine(name).host()
        microk8s.install(host, channel="1.35/stable", launch="version: 0.2.0\n")
        settle(found)
        if name != "0":
            url = join_tokens.mint(found.machines["0"].host(), ADDRESSES[0])
            microk8s.join(host, url, worker=False)
            settle(found)
    return found


@pytest.fixture
def survivor(world):
    world.machines["1"].power_off()
    world.machines["2"].power_off()
    settle(world)
    return world.machines["0"].host()


def settle(world):
    for _ in range(8):
        world.clock.advance(15)
        world.tick()


def survey(**facts):
    plain = {"cluster": "abc", "own": 1, "members": MEMBERS, "newest": 7, "opened": 1}
    return recovery.Survey(**{**plain, "stopped": False, "saved": False, **facts})


def refusal(step, *, survivors=ADDRESSES[:1], confirm="abc", **facts):
    return recovery.refusal(survey(**facts), step, survivors=survivors, confirm=confirm)


def take_all(host, *steps):
    cluster = recovery.survey(host).cluster
    return [recovery.take(host, step, confirm=cluster) for step in steps]


def handover(host, path, **content):
    target = host.path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:gz") as archive:
        for name, text in content.items():
            entry = tarfile.TarInfo(name.replace("_yaml", ".yaml").replace("s_", ""))
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


def stopped_pair(host):
    """Take the step stop with another survivor named, and return how to go on."""
    found = recovery.survey(host)
    common = {"survivors": " ".join(ADDRESSES[:2]), "confirm": found.cluster}
    recovery.take(host, "stop", **common)
    return found, common


# --- rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["stop", "reconfigure", "adopt", "start"])
def test_given_no_confirmation_when_a_step_is_asked_for_then_the_id_is_told(step):
    assert "confirm=abc" in refusal(step, confirm="", stopped=True, saved=True)


def test_given_no_confirmation_when_the_plan_is_asked_for_then_it_is_shown():
    assert refusal("plan", confirm="") is None


@pytest.mark.parametrize("step", ["reconfigure", "adopt", "start"])
@pytest.mark.parametrize("facts", [{}, {"stopped": True}, {"saved": True}])
def test_given_no_saved_data_when_a_later_step_is_asked_for_then_stop_comes_first(step, facts):
    assert "take the step stop" in refusal(step, **facts)


@pytest.mark.parametrize(
    ("step", "facts", "said"),
    [
        ("jump", {}, "no step jump"),
        ("plan", {"own": 0}, "no member"),
        ("plan", {"survivors": ["10.9.9.9"]}, "not a member: 10.9.9.9"),
        ("plan", {"survivors": ADDRESSES[1:]}, "not among the survivors"),
        ("stop", {"members": MEMBERS[:1]}, "only member"),
        ("adopt", {"stopped": True, "saved": True}, "nobody to take data from"),
    ],
)
def test_given_a_step_that_makes_no_sense_when_asked_for_then_the_refusal_says_why(
    step, facts, said
):
    assert said in refusal(step, **facts)


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        (["0000000000000001-0000000000000500", "open-3", "metadata1"], 500),
        (["snapshot-2-900-12345", "0000000000000001-0000000000000500"], 900),
        (["cluster.yaml", "open-1"], 0),
    ],
)
def test_given_a_datastores_files_when_read_then_the_newest_entry_is_known(names, newest):
    assert recovery.newest_entry(names) == newest


@hypothesis.given(strategies.sets(strategies.sampled_from(ADDRESSES), min_size=1))
def test_given_any_survivors_when_listed_then_they_keep_their_numbers_and_nobody_else_is_in(left):
    rows = yaml.safe_load(recovery.member_list(MEMBERS, left))

    assert {(row["Address"], row["ID"]) for row in rows} == {
        (f"{member.address}:19001", member.id) for member in MEMBERS if member.address in left
    }
    assert sum(row["Role"] == 0 for row in rows) == min(len(rows), recovery.VOTERS)


def test_given_two_survivors_when_planned_then_the_data_is_handed_over():
    steps = "\n".join(recovery.steps(survey(), ADDRESSES[:2]))

    assert "step=adopt" in steps
    assert "never come back as they are: 10.20.0.13" in steps
    assert "step=adopt" not in "\n".join(recovery.steps(survey(), ADDRESSES[:1]))


# --- on machines -------------------------------------------------------------------------------


def test_given_a_majority_when_stop_is_asked_for_then_it_is_refused(world):
    host = world.machines["0"].host()

    with pytest.raises(recovery.RecoveryError, match="has its majority"):
        take_all(host, "stop")

    assert not host.exists(recovery.STOPPED)


def test_given_one_survivor_of_three_when_all_steps_are_taken_then_the_cluster_answers_again(
    world, survivor
):
    take_all(survivor, "stop", "reconfigure", "start")
    settle(world)

    assert [member.address for member in microk8s.live_members(survivor)] == ADDRESSES[:1]


def test_given_the_plan_when_shown_then_nothing_has_changed(survivor):
    calls = len(survivor.machine.world.calls)

    results = recovery.take(survivor, "plan")

    assert results["survivors"] == ADDRESSES[0]
    assert results["members"].split() == ADDRESSES
    assert len(survivor.machine.world.calls) == calls


def test_given_the_step_stop_when_taken_then_the_data_is_saved_for_root_alone(survivor):
    take_all(survivor, "stop")

    (saved,) = survivor.glob(f"{recovery.FOLDER}/quorum-save-*.tar.gz")
    with tarfile.open(survivor.path(saved)) as content:
        assert "./cluster.yaml" in content.getnames()
    assert survivor.path(saved).stat().st_mode & 0o777 == 0o600
    assert backup.listing(survivor, datastore="sd")["count"] == "0"


def test_given_a_full_disk_when_stop_fails_then_no_later_step_is_taken(survivor):
    survivor.machine.fill_disk()
    with pytest.raises(recovery.RecoveryError, match="No space left"):
        take_all(survivor, "stop")

    with pytest.raises(recovery.RecoveryError, match="take the step stop"):
        take_all(survivor, "reconfigure")


def test_given_dqlite_refuses_when_reconfigured_then_its_words_are_kept(survivor):
    take_all(survivor, "stop")
    survivor.machine.faults.add(pi.Fault((microk8s.DQLITE,), pi.fail(1, "bad segment")))

    with pytest.raises(recovery.RecoveryError, match="bad segment"):
        take_all(survivor, "reconfigure")


def test_given_two_survivors_when_reconfigured_then_the_handover_holds_data_and_members(survivor):
    _, common = stopped_pair(survivor)
    survivor.write(f"{microk8s.BACKEND}/0000000000000025-0000000000000030", "entries")

    recovery.take(survivor, "reconfigure", **common)

    with tarfile.open(survivor.path(recovery.HANDOVER)) as content:
        names = set(content.getnames())
    assert {"cluster.yaml", "0000000000000025-0000000000000030"} <= names
    assert not {"info.yaml", "cluster.key", "metadata1"} & names


def test_given_a_handover_when_adopted_then_it_takes_the_place_of_this_machines_data(survivor):
    found, common = stopped_pair(survivor)
    survivor.write(f"{microk8s.BACKEND}/open-1", "mine")
    listing = recovery.member_list(found.members, ADDRESSES[:2])
    handover(survivor, "/root/h.tar.gz", cluster_yaml=listing, **{"s_open-2": "theirs"})

    recovery.take(survivor, "adopt", archive="/root/h.tar.gz", **common)

    assert survivor.read(f"{microk8s.BACKEND}/open-2") == "theirs"
    assert not survivor.exists(f"{microk8s.BACKEND}/open-1")
    assert len(microk8s.members(survivor)) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"cluster_yaml": "[]\n"}, "lists no member"),
        ({"cluster_yaml": "ID: {own}\n", "s_cluster.key": "x"}, "does not belong there"),
        ({"s_open-1": "x"}, "no archive of the step reconfigure"),
    ],
)
def test_given_another_archive_when_adopted_then_this_machines_data_stays(survivor, content, said):
    found, common = stopped_pair(survivor)
    survivor.write(f"{microk8s.BACKEND}/open-1", "mine")
    texts = {name: text.format(own=found.own) for name, text in content.items()}
    handover(survivor, "/root/h.tar.gz", **texts)

    with pytest.raises(recovery.RecoveryError, match=said):
        recovery.take(survivor, "adopt", archive="/root/h.tar.gz", **common)

    assert survivor.read(f"{microk8s.BACKEND}/open-1") == "mine"


def test_given_no_handover_when_adopted_then_it_says_where_to_get_it(survivor):
    _, common = stopped_pair(survivor)

    with pytest.raises(recovery.RecoveryError, match="copy it from"):
        recovery.take(survivor, "adopt", **common)


@hypothesis.given(strategies.text("0123456789abcdef", min_size=64, max_size=64))
@hypothesis.example("0123456789" * 7)
@hypothesis.example("12e4567890123" * 5)
@hypothesis.example("0b1010101010" * 6)
def test_given_any_authority_when_named_then_juju_takes_the_name_for_a_text(authority):
    name = recovery.cluster_id(authority)

    assert name.removeprefix("x") == authority[:12]
    assert yaml.safe_load(name) == name
    with pytest.raises(ValueError, match="could not convert"):
        float(name)
