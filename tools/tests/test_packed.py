"""Tests of what a packed charm must be."""

import sys
import zipfile

import pytest
import yaml

import foreign_build
import packed

PLATFORM = foreign_build.Platform("ubuntu-24.04-arm64", "24.04", "arm64")
MANIFEST = {"bases": [{"name": "ubuntu", "channel": "24.04", "architectures": ["arm64"]}]}
PROGRAM = "import subprocess; subprocess.run(['status-set', 'active'])"
DISPATCH = "#!/bin/sh\nPYTHONPATH=lib:src:venv exec python3 src/charm.py\n"
SEAM = "class LocalHost:\n    def __init__(self, root): pass\ndef use(host): pass\n"


@pytest.fixture
def archive(tmp_path):
    """Return a function that packs a small charm, with files changed or left out (None)."""

    def make(**changes):
        files = {
            "dispatch": DISPATCH,
            "icon.svg": "<svg/>",
            "LICENSE": "",
            "metadata.yaml": "name: edge-x\npeers: {cluster: {interface: x}}\n",
            "config.yaml": "options: {a: {type: int, default: 3}, b: {type: int}}\n",
            "manifest.yaml": yaml.safe_dump(MANIFEST),
            "src/charm.py": PROGRAM,
            "lib/edgecloud/host.py": SEAM,
            **changes,
        }
        file = tmp_path / "edge-x_ubuntu-24.04-arm64.charm"
        with zipfile.ZipFile(file, "w") as target:
            for name, text in files.items():
                if text is not None:
                    entry = zipfile.ZipInfo(name)
                    entry.external_attr = (0o755 if name == "dispatch" else 0o644) << 16
                    target.writestr(entry, text)
        return file

    return make


def test_given_a_good_charm_when_checked_then_there_is_no_problem(archive):
    assert list(packed.problems(archive(), PLATFORM)) == []


@pytest.mark.parametrize("name", ["venv/yaml/_yaml.so", "src/__pycache__/charm.pyc"])
def test_given_a_compiled_file_when_checked_then_it_is_named(archive, name):
    assert list(packed.problems(archive(**{name: "x"}), PLATFORM)) == [f"compiled file {name}"]


@pytest.mark.parametrize("name", ["icon.svg", "dispatch", "LICENSE"])
def test_given_a_missing_file_when_checked_then_it_is_named(archive, name):
    assert list(packed.problems(archive(**{name: None}), PLATFORM)) == [f"no {name}"]


def test_given_a_large_charm_when_checked_then_its_size_is_told(archive):
    (problem,) = packed.problems(archive(blob="x" * packed.MAX_BYTES), PLATFORM)

    assert f"more than {packed.MAX_BYTES}" in problem


def test_given_another_base_when_checked_then_the_manifest_is_a_problem(archive):
    other = foreign_build.Platform("ubuntu-26.04-arm64", "26.04", "arm64")

    (problem,) = packed.problems(archive(), other)

    assert problem.startswith("manifest has bases")


@pytest.mark.parametrize(
    ("linter", "result", "count"),
    [
        ("metadata", "ok", 0),
        ("pydeps", "nonapplicable", 0),
        ("entrypoint", "error", 1),
        ("naming-conventions", "warning", 1),
        ("language", "python", 0),
        ("language", "unknown", 1),
        ("framework", "operator", 0),
    ],
)
def test_given_a_finding_when_judged_then_only_what_is_wrong_is_a_problem(linter, result, count):
    finding = foreign_build.Finding(linter, result, "")

    assert len(list(packed.lint_problems([finding]))) == count


def test_given_a_good_charm_when_dispatched_then_there_is_no_problem(archive):
    assert list(packed.dispatch_problems(archive(), PLATFORM, sys.executable)) == []


def test_given_a_charm_that_fails_when_dispatched_then_each_hook_is_named(archive):
    file = archive(**{"src/charm.py": "import missing"})

    start, update_status = packed.dispatch_problems(file, PLATFORM, sys.executable)

    assert "start under" in start
    assert "No module named 'missing'" in update_status


def test_given_a_charm_that_sets_no_status_when_dispatched_then_it_is_a_problem(archive):
    start, _ = packed.dispatch_problems(archive(**{"src/charm.py": ""}), PLATFORM, sys.executable)

    assert "set no status" in start


def test_given_a_packed_charm_when_unpacked_then_programs_stay_programs(archive, tmp_path):
    folder = packed.unpack(archive(), tmp_path / "charm")

    assert (folder / "dispatch").stat().st_mode & 0o777 == 0o755
    assert (folder / "icon.svg").stat().st_mode & 0o777 == 0o644


def test_given_options_when_unpacked_then_only_those_with_defaults_are_set(archive, tmp_path):
    folder = packed.unpack(archive(), tmp_path / "charm")

    assert packed.default_options(folder) == {"a": 3}


def test_given_a_peer_endpoint_when_unpacked_then_it_is_a_lonely_relation(archive, tmp_path):
    (relation,) = packed.peers(packed.unpack(archive(), tmp_path / "charm"))

    assert (relation["endpoint"], relation["units"]) == ("cluster", {})


def test_given_a_python_of_the_base_when_looked_for_then_it_is_taken(tmp_path, monkeypatch):
    python = tmp_path / "versions/3.12.9/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 3.12\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    assert packed.interpreter("24.04") == str(python)


def test_given_no_python_of_the_base_when_looked_for_then_this_one_is_taken(tmp_path, monkeypatch):
    broken = tmp_path / "python3.14"
    broken.write_text("#!/bin/sh\necho not installed >&2; exit 127\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert packed.interpreter("26.04") == sys.executable
