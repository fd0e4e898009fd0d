"""Tests of running charmcraft where it does not expect to be run."""

import subprocess
import sys

import pytest

import foreign_build

PLATFORM = foreign_build.Platform("ubuntu-26.04-arm64", "26.04", "arm64")


@pytest.fixture
def craft(tmp_path):
    """Return a function that makes a charmcraft out of a shell script."""

    def make(script):
        program = tmp_path / "bin" / "charmcraft"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        return foreign_build.Charmcraft(scratch, str(program))

    return make


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repository"
    for name in (
        "charms/edge-x/charmcraft.yaml",
        "charms/edge-x/tests/t.py",
        "lib/edgecloud/a.py",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_given_platforms_when_read_then_each_has_a_base_and_an_architecture():
    charmcraft = {
        "platforms": {
            "b": {"build-for": ["ubuntu@26.04:arm64"]},
            "a": {"build-for": ["ubuntu@24.04:amd64"]},
        }
    }

    assert foreign_build.platforms(charmcraft) == (
        foreign_build.Platform("a", "24.04", "amd64"),
        foreign_build.Platform("b", "26.04", "arm64"),
    )


def test_given_a_base_when_charmcraft_runs_then_the_machine_looks_like_it(craft, repository):
    charmcraft = craft('cp "$UNIXCONFDIR/os-release" it.charm')

    packed = charmcraft.pack(repository, "edge-x", ["edgecloud"], PLATFORM)

    assert 'ID=ubuntu\nVERSION_ID="26.04"' in packed.read_text(encoding="utf-8")


def test_given_a_charm_when_packed_then_the_copy_has_the_shared_package_and_no_tests(
    craft, repository
):
    charmcraft = craft("(ls; ls ../../lib/edgecloud) > it.charm")

    packed = charmcraft.pack(repository, "edge-x", ["edgecloud"], PLATFORM)

    assert packed.read_text(encoding="utf-8").split() == ["charmcraft.yaml", "it.charm", "a.py"]


def test_given_a_refusal_when_packed_then_charmcrafts_words_are_kept(craft, repository):
    charmcraft = craft("echo no such plugin >&2; exit 78")

    with pytest.raises(foreign_build.BuildError, match="no such plugin"):
        charmcraft.pack(repository, "edge-x", ["edgecloud"], PLATFORM)


def test_given_lint_errors_when_analysed_then_they_are_findings(craft, tmp_path):
    charmcraft = craft(
        """echo '[{"name": "entrypoint", "result": "error", "text": "none"}]'; exit 2"""
    )

    found = charmcraft.analyse(tmp_path / "it.charm", PLATFORM)

    assert found == (foreign_build.Finding("entrypoint", "error", "none"),)


def test_given_no_json_when_analysed_then_it_is_an_error(craft, tmp_path):
    with pytest.raises(foreign_build.BuildError, match="file not found"):
        craft("echo file not found").analyse(tmp_path / "it.charm", PLATFORM)


@pytest.mark.parametrize(
    "use",
    [
        "import apt, apt.cache, apt.package, apt.progress.base",
        "import apt_pkg; apt_pkg.config.set('a', 'b'); apt_pkg.config.clear('a')",
        "import apt_pkg; x: apt_pkg.AcquireItemDesc",
        "import apt.progress.base as b\nclass P(b.AcquireProgress): pass",
    ],
)
def test_given_the_empty_apt_when_its_names_are_looked_up_then_they_are_there(
    craft, tmp_path, use
):
    craft("true")

    subprocess.run(
        [sys.executable, "-S", "-c", use],
        env={"PYTHONPATH": str(tmp_path / "scratch" / "modules")},
        check=True,
    )
