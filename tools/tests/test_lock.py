"""Tests of the commands that write the locks."""

import lock


def test_given_a_charm_when_locked_then_tests_take_its_versions_and_linters_those(tmp_path):
    folder = tmp_path / "charms" / "edge-x"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").touch()

    charm, tests, lint, pack = lock.commands(tmp_path, ["--upgrade"])

    assert "charms/edge-x/pyproject.toml" in charm
    assert "--constraint=charms/edge-x/requirements.txt" in tests
    assert "--constraint=tests/requirements.txt" in lint
    assert "--output-file=tools/pack.txt" in pack


def test_given_options_when_locked_then_every_command_ends_with_them(tmp_path):
    commands = list(lock.commands(tmp_path, ["--upgrade"]))

    assert {command[-1] for command in commands} == {"--upgrade"}
    assert all("--generate-hashes" in command for command in commands)
