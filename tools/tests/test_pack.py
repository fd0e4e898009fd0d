"""Tests of packing everything, with a charmcraft that only pretends."""

import pytest

import foreign_build
import pack
import packed

CHARMCRAFT = """
name: edge-x
platforms:
  ubuntu-24.04-arm64: {build-for: ["ubuntu@24.04:arm64"]}
  ubuntu-24.04-amd64: {build-for: ["ubuntu@24.04:amd64"]}
parts:
  files: {plugin: dump, source: .}
  shared: {plugin: dump, source: ../../lib/edgecloud}
"""


class FakeCharmcraft:
    """Packs a charm by writing a file, and counts how often."""

    def __init__(self, folder, error=""):
        self.folder = folder
        self.error = error
        self.packed = 0

    def pack(self, root, charm, shared, platform):
        if self.error:
            raise foreign_build.BuildError(self.error)
        self.packed += 1
        file = self.folder / f"{self.packed}.charm"
        file.write_text("packed", encoding="utf-8")
        return file

    def analyse(self, file, platform):
        return ()


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("charms/edge-x/src/charm.py", "lib/edgecloud/a.py", "tools/pack.py", "dist/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "charms/edge-x/charmcraft.yaml").write_text(CHARMCRAFT, encoding="utf-8")
    monkeypatch.setattr(pack, "ROOT", tmp_path)
    monkeypatch.setattr(pack, "DIST", tmp_path / "dist")
    monkeypatch.setattr(packed, "problems", lambda *_: ())
    monkeypatch.setattr(packed, "dispatch_problems", lambda *_: ())
    return tmp_path


@pytest.fixture
def job(root):
    return next(pack.jobs(root, []))


def test_given_a_charm_when_listed_then_there_is_a_job_for_each_platform(root):
    found = list(pack.jobs(root, []))

    assert [job.file.name for job in found] == [
        "edge-x_ubuntu-24.04-amd64.charm",
        "edge-x_ubuntu-24.04-arm64.charm",
    ]
    assert found[0].shared == ("edgecloud",)


def test_given_names_when_listed_then_other_charms_are_left_out(root):
    assert list(pack.jobs(root, ["edge-y"])) == []


@pytest.mark.parametrize(
    "name", ["charms/edge-x/src/charm.py", "lib/edgecloud/a.py", "tools/pack.py"]
)
def test_given_a_changed_file_when_digested_then_the_fingerprint_changes(root, job, name):
    before = pack.fingerprint(root, job)

    (root / name).write_text("changed", encoding="utf-8")

    assert pack.fingerprint(root, job) != before


def test_given_a_changed_test_when_digested_then_the_fingerprint_stays(root, job):
    before = pack.fingerprint(root, job)

    (root / "charms/edge-x/tests").mkdir()
    (root / "charms/edge-x/tests/test_x.py").touch()

    assert pack.fingerprint(root, job) == before


def test_given_nothing_changed_when_packed_again_then_charmcraft_rests(job, tmp_path):
    craft = FakeCharmcraft(tmp_path)

    first, second = (pack.carry_out(job, craft, "python3") for _ in range(2))

    assert (first.is_new, second.is_new, craft.packed) == (True, False, 1)
    assert job.file.read_text(encoding="utf-8") == "packed"


def test_given_a_problem_when_packed_again_then_it_is_found_again(job, tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "problems", lambda *_: ("no icon.svg",))
    craft = FakeCharmcraft(tmp_path)

    outcomes = [pack.carry_out(job, craft, "python3") for _ in range(2)]

    assert [outcome.problems for outcome in outcomes] == [("no icon.svg",)] * 2


def test_given_a_refusal_when_packed_then_it_is_a_problem_and_no_file(job, tmp_path):
    outcome = pack.carry_out(job, FakeCharmcraft(tmp_path, "no such plugin"), "python3")

    assert outcome.problems == ("no such plugin",)
    assert not job.file.exists()


def test_given_outcomes_when_shown_then_each_has_name_base_architecture_and_size(job):
    job.file.write_bytes(b"x" * 12_300)

    line = pack.table([pack.Outcome(job)]).splitlines()[1]

    assert line.split() == ["edge-x", "24.04", "amd64", "12", "kB", f"dist/{job.file.name}"]


def test_given_a_failed_job_when_run_then_the_exit_code_tells(root, monkeypatch, capsys):
    craft = FakeCharmcraft(root, "no such plugin")
    monkeypatch.setattr(foreign_build, "Charmcraft", lambda _: craft)

    assert pack.main([]) == 1
    assert "no such plugin" in capsys.readouterr().err
