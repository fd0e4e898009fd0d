"""Tests of the generated reference pages."""

import reference

MINIMAL = {"name": "edge-x", "summary": "A thing."}


def test_given_only_a_name_when_written_then_the_page_has_no_empty_section():
    page = reference.page(MINIMAL)

    assert page == f"{reference.NOTICE}\n\n# edge-x\n\nA thing.\n"


def test_given_options_when_written_then_they_are_sorted_with_type_and_default():
    options = {
        "b": {"type": "boolean", "default": True, "description": "Whether."},
        "a": {"type": "secret", "description": "Which."},
        "c": {"type": "string", "default": "", "description": "What."},
    }

    page = reference.page({**MINIMAL, "config": {"options": options}})

    assert page.index("### `a`\n\nType: secret. Default: none.\n\nWhich.") < page.index(
        "### `b`\n\nType: boolean. Default: `true`.\n\nWhether."
    )
    assert 'Default: `""`.' in page


def test_given_an_action_when_written_then_its_parameters_are_a_table():
    action = {
        "description": "Take a node out.",
        "params": {
            "node": {"type": "string", "description": "Which\n  one | all."},
            "dry-run": {"type": "boolean", "default": True, "description": "Only tell."},
            "format": {"enum": ["text", "json"], "default": "text", "description": "How."},
        },
        "required": ["node"],
    }

    page = reference.page({**MINIMAL, "actions": {"remove": action}})

    assert "### `remove`\n\nTake a node out.\n\n| Parameter |" in page
    assert "| `node` | string | required | Which one \\| all. |" in page
    assert "| `dry-run` | boolean | `true` | Only tell. |" in page
    assert "| `format` | `text` or `json` | `text` | How. |" in page


def test_given_endpoints_of_all_roles_when_written_then_each_says_its_role_and_limit():
    page = reference.page(
        {
            **MINIMAL,
            "provides": {"out": {"interface": "x", "optional": True}},
            "requires": {
                "in": {"interface": "y", "optional": False, "limit": 1, "scope": "container"}
            },
            "peers": {"cluster": {"interface": "z"}},
        }
    )

    assert "| `out` | provides | `x` | yes | global | | |" in page
    assert "| `in` | requires | `y` | no | container | 1 | |" in page
    assert "| `cluster` | peers | `z` | yes | global | | |" in page


def test_given_a_resource_when_written_then_its_file_is_named():
    resource = {"type": "file", "filename": "x.tar", "description": "All of it."}

    page = reference.page({**MINIMAL, "resources": {"x": resource}})

    assert "| `x` | file | `x.tar` | All of it. |" in page


def test_given_a_drift_when_checked_then_it_fails_and_writes_nothing(
    tmp_path, monkeypatch, capsys
):
    _charm(tmp_path)
    monkeypatch.setattr(reference, "ROOT", tmp_path)

    result = reference.main(["--check"])

    assert result == 1
    assert "docs/reference/edge-x.md drifted" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()


def test_given_a_drift_when_written_then_the_next_check_passes(tmp_path, monkeypatch):
    _charm(tmp_path)
    monkeypatch.setattr(reference, "ROOT", tmp_path)

    written = reference.main([])

    assert written == 0
    assert reference.main(["--check"]) == 0


def _charm(root):
    folder = root / "charms" / "edge-x"
    folder.mkdir(parents=True)
    (folder / "charmcraft.yaml").write_text("name: edge-x\nsummary: A thing.\n", encoding="utf-8")
