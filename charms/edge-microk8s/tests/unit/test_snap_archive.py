import io
import random
import tarfile

import pytest

import microk8s
import snap_archive
from edgecloud import host
from edgecloud.host import snap
from edgelab import pi

MICROK8S = "microk8s_8601.snap"


@pytest.fixture
def machine(tmp_path):
    return host.LocalHost(tmp_path / "machine")


@pytest.fixture
def make(tmp_path):
    def archive(files, name="resource.tar"):
        path = tmp_path / name
        with tarfile.open(path, "w") as tar:
            for member, content in files.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return path

    return archive


def unpack(machine, archive, **options):
    options.setdefault("arch", "arm64")
    return snap_archive.unpack(machine, archive, **options)


def test_given_an_empty_resource_when_unpacked_then_the_store_is_to_be_used(machine, tmp_path):
    (tmp_path / "empty").write_bytes(b"")

    assert unpack(machine, tmp_path / "empty") == []


def test_given_snaps_and_images_when_unpacked_then_each_lies_where_it_is_needed(machine, make):
    archive = make({MICROK8S: b"snap", "microk8s_8601.assert": b"a", "images/pause.tar": b"i"})

    found = unpack(machine, archive)

    assert found == [f"{snap_archive.SNAPS}/{MICROK8S}"]
    assert machine.exists(f"{snap_archive.SNAPS}/microk8s_8601.assert")
    assert machine.read(f"{snap_archive.IMAGES}/pause.tar") == "i"


def test_given_a_node_that_runs_when_images_are_brought_then_they_go_where_it_looks(machine, make):
    archive = make({MICROK8S: b"snap", "pause.tar": b"ours", "amd64/other.tar": b"theirs"})

    assert snap_archive.bring_images(machine, archive, arch="arm64")

    assert machine.glob(f"{snap_archive.LATER_IMAGES}/*") == [
        f"{snap_archive.LATER_IMAGES}/pause.tar"
    ]
    assert not machine.glob(f"{snap_archive.SNAPS}/*")


def test_given_an_archive_that_a_node_had_when_it_comes_again_then_nothing_is_copied(
    machine, make
):
    archive = make({MICROK8S: b"snap", "pause.tar": b"i"})
    unpack(machine, archive)
    snap_archive.clear(machine)

    assert not snap_archive.bring_images(machine, archive, arch="arm64")
    assert snap_archive.bring_images(machine, make({"new.tar": b"j"}, "2.tar"), arch="arm64")
    assert not snap_archive.bring_images(machine, make({"new.tar": b"j"}, "2.tar"), arch="arm64")


def test_given_an_empty_resource_when_images_are_brought_then_there_are_none(machine, tmp_path):
    (tmp_path / "empty").touch()

    assert not snap_archive.bring_images(machine, tmp_path / "empty", arch="arm64")


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2"])
def test_given_an_archive_that_was_cut_short_when_unpacked_then_it_is_refused(
    machine, tmp_path, kind
):
    path = tmp_path / f"resource.tar.{kind}"
    with tarfile.open(path, f"w:{kind}") as tar:
        entry = tarfile.TarInfo(MICROK8S)
        entry.size = 200_000
        tar.addfile(entry, io.BytesIO(random.Random(1).randbytes(entry.size)))
    path.write_bytes(path.read_bytes()[:100_000])

    with pytest.raises(snap_archive.ArchiveError, match="no whole tar archive, attach it again"):
        unpack(machine, path)

    assert not machine.glob(f"{snap_archive.SNAPS}/*.snap")


def test_given_two_architectures_when_unpacked_then_the_other_is_left_out(machine, make):
    archive = make({f"arm64/{MICROK8S}": b"ours", f"amd64/{MICROK8S}": b"theirs"})

    (path,) = unpack(machine, archive)

    assert machine.read(path) == "ours"


def test_given_only_another_architecture_when_unpacked_then_it_says_so(machine, make):
    with pytest.raises(snap_archive.ArchiveError, match=r"no microk8s_\*.snap for arm64"):
        unpack(machine, make({f"amd64/{MICROK8S}": b"theirs"}))


def test_given_something_else_when_unpacked_then_it_is_no_archive(machine, tmp_path):
    (tmp_path / "text").write_text("not a tar archive")

    with pytest.raises(snap_archive.ArchiveError, match="is no whole tar archive"):
        unpack(machine, tmp_path / "text")


def test_given_the_same_archive_when_unpacked_again_then_no_image_is_copied_twice(machine, make):
    archive = make({MICROK8S: b"snap", "pause.tar": b"i"})
    unpack(machine, archive)
    machine.remove(f"{snap_archive.IMAGES}/pause.tar")

    assert unpack(machine, archive)
    assert not machine.exists(f"{snap_archive.IMAGES}/pause.tar")


def test_given_another_archive_when_unpacked_then_the_former_snaps_are_gone(machine, make):
    unpack(machine, make({MICROK8S: b"old"}))

    found = unpack(machine, make({"microk8s_8700.snap": b"new"}, "other.tar"))

    assert found == [f"{snap_archive.SNAPS}/microk8s_8700.snap"]


@pytest.mark.parametrize("name", [f"../../../etc/{MICROK8S}", f"/etc/{MICROK8S}"])
def test_given_a_path_that_leads_out_when_unpacked_then_only_its_name_counts(machine, make, name):
    assert unpack(machine, make({name: b"snap"})) == [f"{snap_archive.SNAPS}/{MICROK8S}"]
    assert not machine.exists("/etc")


def test_given_unpacked_snaps_when_cleared_then_nothing_is_left(machine, make):
    unpack(machine, make({MICROK8S: b"snap"}))

    snap_archive.clear(machine)

    assert machine.glob(f"{snap_archive.SNAPS}/*") == []


def test_given_a_pi_without_uplink_when_installed_from_an_archive_then_it_works(tmp_path, make):
    raspberry = pi.World(tmp_path, pi.Clock()).add_machine("0", uplink=False)
    files = {}
    for name, revision, version in (("core22", "530", "2025"), ("microk8s", "8601", "v1.35.2")):
        text = pi.store.snap_file(name, revision, version, "arm64")
        files[f"arm64/{name}_{revision}.snap"] = text.encode()
        files[f"arm64/{name}_{revision}.assert"] = pi.store.assertion(text).encode()

    snaps = unpack(raspberry.host(), make(files))
    microk8s.install(raspberry.host(), channel="1.35/stable", launch="", snaps=snaps)

    found = snap.info(raspberry.host(), "microk8s")
    assert (found.revision, found.held) == ("8601", True)
