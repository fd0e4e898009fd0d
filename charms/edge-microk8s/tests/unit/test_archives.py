import io
import json
import tarfile

import hypothesis
import pytest
from hypothesis import strategies

import archives
import microk8s
from archives import Settings
from edgecloud import host as hosts
from edgelab import pi

FOLDER = "/var/backups/edge-microk8s"
DAY = 86400


@pytest.fixture
def machine(tmp_path):
    world = pi.World(tmp_path, pi.Clock(1_800_000_000))
    found = world.add_machine("0")
    microk8s.install(found.host(), channel="1.35/stable", launch="version: 0.2.0\n")
    world.clock.advance(120)
    world.tick()
    return found


def pack(path, stem, *names):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"{stem}/{name}"), io.BytesIO())
    return path


def take(machine, keep=3):
    machine.world.clock.advance(DAY)
    return archives.take(machine.host(), Settings(FOLDER, keep))


def present(machine):
    return archives.find(machine.host(), FOLDER)


def test_given_a_node_when_taken_then_the_archive_reads_back_and_root_alone_may(machine):
    archive = take(machine)

    path = machine.host().path(f"{FOLDER}/{archive.name}")
    assert archives.inspect(machine.host(), FOLDER, archive.name) == archive
    assert archive.keys > 5
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_given_more_than_enough_when_taken_then_the_oldest_go(machine):
    taken = [take(machine).name for _ in range(5)]

    assert present(machine) == taken[-3:]
    assert len(machine.host().glob(f"{FOLDER}/*.sha256")) == 3


def test_given_a_clock_that_went_back_when_taken_then_the_new_archive_stays(machine):
    for _ in range(3):
        take(machine)
    machine.clock_offset = -1000 * DAY

    archive = take(machine)

    assert archive.name in present(machine)
    assert len(present(machine)) == 3


def test_given_a_users_own_archive_when_rotated_then_it_stays(machine):
    pack(machine.host().path(f"{FOLDER}/before-the-move.tar.gz"), "before-the-move", "0.key")

    for _ in range(3):
        take(machine, keep=1)

    assert "before-the-move.tar.gz" in present(machine)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(pi.fail(2, "no leader"), id="fails"),
        pytest.param(pi.hang(), id="hangs"),
        pytest.param(pi.fail(0), id="writes nothing and exits 0"),
    ],
)
def test_given_a_command_that_fails_when_taken_then_former_archives_stay_and_the_result_says_so(
    machine, fault
):
    before = [take(machine, keep=1).name]
    machine.faults.add(pi.Fault((archives.MICROK8S, "dbctl"), fault))

    with pytest.raises(archives.ArchiveError, match="dbctl backup"):
        take(machine, keep=1)

    assert present(machine) == before
    assert "dbctl" in json.loads(machine.host().read(archives.RESULT))["error"]


def test_given_a_power_cut_when_taken_again_then_nothing_half_written_is_left(machine):
    machine.faults.add(pi.Fault((archives.MICROK8S, "dbctl"), pi.cut_after()))
    with pytest.raises(pi.PowerCut):
        take(machine)
    assert machine.root.joinpath(FOLDER[1:], ".partial").exists()
    machine.power_on()
    machine.world.clock.advance(300)

    archive = take(machine)

    assert present(machine) == [archive.name]
    assert machine.host().glob(f"{FOLDER}/.partial/*") == []


def test_given_a_disk_that_is_nearly_full_when_taken_then_it_is_left_alone(machine):
    machine.disk_used = machine.disk_bytes - archives.FREE_FLOOR + 1

    with pytest.raises(archives.ArchiveError, match="too little space"):
        take(machine)


def test_given_an_archive_without_keys_when_read_back_then_it_is_refused(tmp_path):
    file = pack(tmp_path / "a.tar.gz", "a", "0.key")

    with pytest.raises(archives.ArchiveError, match="no keys"):
        archives.read_back(file)


def test_given_a_renamed_archive_when_read_back_then_its_former_name_is_told(tmp_path):
    file = pack(tmp_path / "b.tar.gz", "a", "0.key", "0.data")

    with pytest.raises(archives.ArchiveError, match=r"call it a\.tar\.gz"):
        archives.read_back(file)


def test_given_a_gap_when_read_back_then_only_what_would_be_restored_counts(tmp_path):
    file = pack(tmp_path / "a.tar.gz", "a", "0.key", "0.data", "2.key", "2.data")

    assert archives.read_back(file) == 1


@hypothesis.settings(
    max_examples=40, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(strategies.floats(0, 0.99))
def test_given_an_archive_cut_short_when_read_back_then_it_is_refused(tmp_path, share):
    file = pack(tmp_path / "a.tar.gz", "a", "0.key", "0.data")
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(archives.ArchiveError):
        archives.read_back(file)


def test_given_a_changed_byte_when_inspected_then_the_checksum_tells(machine):
    name = take(machine).name
    machine.host().write(f"{FOLDER}/{name}.sha256", f"{'0' * 64}  {name}\n")

    assert "is damaged" in archives.inspect(machine.host(), FOLDER, name).problem


def test_given_no_checksum_when_inspected_then_it_is_asked_for(machine):
    name = take(machine).name
    machine.host().remove(f"{FOLDER}/{name}.sha256")

    assert f"{name}.sha256 is missing" in archives.inspect(machine.host(), FOLDER, name).problem


@hypothesis.given(strategies.integers(1, 4_000_000_000))
def test_given_any_moment_when_an_archive_is_named_then_the_name_tells_it(moment):
    assert archives.taken_at(archives.name_at(moment)) == moment


def test_given_settings_when_run_without_juju_then_an_archive_is_taken(machine, capsys):
    host = machine.host()
    host.write(archives.SETTINGS, json.dumps({"folder": FOLDER, "keep": 2}))
    former = hosts.use(host)

    try:
        code = archives.main([])
    finally:
        hosts.use(former)

    assert code == 0
    assert present(machine)[0] in capsys.readouterr().out


def test_given_no_settings_when_run_without_juju_then_it_fails_with_a_reason(machine, capsys):
    former = hosts.use(machine.host())

    try:
        code = archives.main(["--settings", "/nowhere"])
    finally:
        hosts.use(former)

    assert code == 1
    assert "nowhere" in capsys.readouterr().err
