"""Tests of what charmcraft.yaml must say."""

import pytest

import check_charmcraft

PLATFORMS = {
    f"ubuntu-{base}-{arch}": {} for base in ("24.04", "26.04") for arch in ("amd64", "arm64")
}


def problems(**parts):
    charmcraft = {"name": "edge-x", "platforms": PLATFORMS, **parts}
    return list(check_charmcraft.problems(charmcraft, "edge-x"))


def test_given_a_complete_file_when_checked_then_there_is_no_problem():
    action = {
        "description": "Do it.",
        "additionalProperties": False,
        "params": {"node": {"type": "string", "description": "Which."}},
    }

    found = problems(
        config={"options": {"a-b": {"type": "int", "description": "How many."}}},
        actions={"do-it": action},
        provides={"workers": {"interface": "x", "optional": True}},
        peers={"cluster": {"interface": "x"}},
    )

    assert found == []


def test_given_another_folder_when_checked_then_the_name_is_a_problem():
    charmcraft = {"name": "edge-x", "platforms": PLATFORMS}

    assert list(check_charmcraft.problems(charmcraft, "edge-y")) == [
        "name is edge-x, the folder edge-y"
    ]


def test_given_a_missing_platform_when_checked_then_the_wanted_ones_are_listed():
    (problem,) = problems(platforms={"ubuntu-24.04-arm64": {}})

    assert "ubuntu-26.04-amd64" in problem


@pytest.mark.parametrize("option", [{"type": "int"}, {"type": "int", "description": ""}])
def test_given_an_option_without_description_when_checked_then_it_is_named(option):
    assert problems(config={"options": {"keep": option}}) == ["option keep: no description"]


@pytest.mark.parametrize("value", [True, None])
def test_given_an_action_open_to_anything_when_checked_then_it_is_named(value):
    action = {"description": "Do it.", "additionalProperties": value}

    assert problems(actions={"go": action}) == ["action go: no additionalProperties: false"]


def test_given_a_parameter_without_description_when_checked_then_it_is_named():
    action = {
        "description": "Do it.",
        "additionalProperties": False,
        "params": {"node": {"type": "string"}},
    }

    assert problems(actions={"go": action}) == ["action go: parameter node: no description"]


@pytest.mark.parametrize("role", ["provides", "requires"])
def test_given_an_endpoint_without_optional_when_checked_then_it_is_named(role):
    assert problems(**{role: {"db": {"interface": "x"}}}) == ["endpoint db: optional not said"]


def test_given_a_charm_folder_when_a_file_is_missing_then_it_is_named(tmp_path):
    for name in check_charmcraft.CHARM_FILES[1:]:
        (tmp_path / name).touch()

    assert list(check_charmcraft.missing_files(tmp_path)) == ["LICENSE missing"]


@pytest.mark.parametrize("name", check_charmcraft.PROGRAMS)
def test_given_a_program_that_is_not_executable_when_checked_then_it_is_named(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch(mode=0o644)

    assert f"{name} is not executable" in check_charmcraft.not_executable(tmp_path)
