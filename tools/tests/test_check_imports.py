"""Tests of the import rules."""

import pytest

import check_imports


@pytest.fixture
def repository(tmp_path):
    def write(**files):
        for name, text in files.items():
            file = tmp_path / (name.replace("__", "/").replace("+", "-") + ".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a.b", [(1, "a.b")]),
        ("import a, b", [(1, "a"), (1, "b")]),
        ("from a import b", [(1, "a.b")]),
        ("from . import b", []),
        ("def f():\n    import late", [(2, "late")]),
    ],
)
def test_given_any_form_of_import_when_read_then_its_line_and_module_are_found(source, found):
    assert list(check_imports.imports(source)) == found


def test_given_own_modules_ops_and_jinja_when_checked_then_a_charm_may_import_them(repository):
    root = repository(
        charms__one__src__charm="import json\nimport jinja2\nimport ops\nimport node\n",
        charms__one__src__node="from edgecloud import host\n",
    )

    assert list(check_imports.charm_problems(root / "charms/one")) == []


def test_given_a_module_of_another_charm_when_checked_then_it_is_named_with_its_line(repository):
    root = repository(
        charms__one__src__charm="import ops\nimport pools\n", charms__two__src__pools=""
    )

    (problem,) = check_imports.charm_problems(root / "charms/one")

    assert problem.endswith("one/src/charm.py:2: a charm has no pools at run time")


def test_given_the_lab_when_a_charm_imports_it_then_it_is_a_problem(repository):
    root = repository(charms__one__src__charm="import edgelab\n")

    assert len(list(check_imports.charm_problems(root / "charms/one"))) == 1


@pytest.mark.parametrize("line", ["import membership", "from membership import x"])
def test_given_a_charm_module_when_lib_imports_it_then_it_is_a_problem(repository, line):
    root = repository(charms__one__src__membership="", lib__edgecloud__host____init__=f"{line}\n")

    (problem,) = check_imports.library_problems(root / "lib")

    assert "lib imports a charm's module" in problem


def test_given_the_shared_package_when_it_imports_the_lab_then_it_is_a_problem(repository):
    root = repository(lib__edgecloud__testing="from edgelab import pi\n")

    (problem,) = check_imports.library_problems(root / "lib")

    assert "imports the lab" in problem


@pytest.mark.parametrize(
    ("part", "line", "count"),
    [
        ("rollout", "import datetime", 0),
        ("rollout", "from edgecloud.rollout import plan", 0),
        ("rollout", "from edgecloud import host", 1),
        ("agent", "from edgecloud import host", 0),
        ("agent", "from edgecloud.interfaces import node_upgrade", 1),
        ("agent", "import yaml", 1),
        ("interfaces", "import ops", 0),
    ],
)
def test_given_a_part_of_the_package_when_it_imports_then_its_own_rule_holds(
    repository, part, line, count
):
    root = repository(**{f"lib__edgecloud__{part}__module": f"{line}\n"})

    assert len(list(check_imports.library_problems(root / "lib"))) == count


def test_given_this_repository_when_checked_then_nothing_breaks_a_rule():
    assert check_imports.main() == 0
