import pathlib

import pytest

from edgelab.bundle import source


def documents(tmp_path: pathlib.Path, text: str) -> tuple[list[source.Node], list[str]]:
    file = tmp_path / "some.yaml"
    file.write_text(text)
    problems: list[source.Problem] = []
    found = source.documents(file, problems)
    return found, [f"{problem.place.line}: {problem.text}" for problem in problems]


def test_given_a_mapping_when_read_then_values_stand_where_their_keys_do(tmp_path):
    (document,), problems = documents(tmp_path, "a:\n  b: |\n    long\n    text\n  c: 1\n")

    assert document.entries["a"].entries["b"].place.line == 2
    assert document.entries["a"].entries["c"].place.line == 5
    assert document.entries["a"].entries["b"].value == "long\ntext\n"
    assert problems == []


def test_given_a_list_when_read_then_each_item_stands_on_its_own_line(tmp_path):
    (document,), _ = documents(tmp_path, "a:\n  - x\n  - y\n")

    assert [item.place.line for item in document.entries["a"].items] == [2, 3]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("true", True),
        ("yes", True),
        ("'1'", "1"),
        ("0x10", 16),
        ("10:30", "10:30"),
        ("2026-01-01", "2026-01-01"),
        ("", None),
        ("~", None),
    ],
)
def test_given_a_scalar_when_read_then_it_has_the_type_that_juju_gives_it(tmp_path, text, value):
    (document,), _ = documents(tmp_path, f"a: {text}\n")

    assert document.entries["a"].value == value
    assert type(document.entries["a"].value) is type(value)


def test_given_a_number_when_asked_for_text_then_it_is_as_written(tmp_path):
    (document,), _ = documents(tmp_path, "a: 1.30\n0: x\n")

    assert document.entries["a"].text == "1.30"
    assert document.entries["0"].text == "x"


def test_given_several_documents_when_read_then_empty_ones_are_left_out(tmp_path):
    found, _ = documents(tmp_path, "a: 1\n---\n---\nb: 2\n")

    assert [list(document.entries) for document in found] == [["a"], ["b"]]


def test_given_a_key_twice_when_read_then_the_second_line_is_named(tmp_path):
    _, problems = documents(tmp_path, "a: 1\nb: 2\na: 3\n")

    assert problems == ["3: key 'a' appears twice; the first one is on line 1"]


def test_given_merge_keys_when_read_then_own_values_win(tmp_path):
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3}\nc:\n  <<: [*b, *a]\n  z: 4\nd:\n  <<: *a\n  x: 5\n"

    (document,), problems = documents(tmp_path, text)

    merged = {key: node.value for key, node in document.entries["c"].entries.items()}
    assert merged == {"x": 1, "y": 3, "z": 4}
    assert document.entries["d"].entries["x"].value == 5
    assert problems == []


def test_given_an_anchor_in_itself_when_read_then_it_is_refused(tmp_path):
    _, problems = documents(tmp_path, "a: &a\n  - *a\n")

    assert problems == ["1: an anchor contains itself"]


def test_given_a_list_as_a_key_when_read_then_it_is_refused(tmp_path):
    _, problems = documents(tmp_path, "[a, b]: 1\n")

    assert problems == ["1: a key is a plain word"]


def test_given_a_value_that_is_not_of_its_tag_when_read_then_it_is_refused(tmp_path):
    _, problems = documents(tmp_path, "a: 1\nb: !!int many\n")

    assert problems == ["2: 'many' is no int"]


@pytest.mark.parametrize(
    ("text", "line"), [("a: 1\nb: [1\n", 3), ("a: 1\nb: c: d\n", 2), ("a: \x00\n", 1)]
)
def test_given_no_yaml_when_read_then_the_line_is_named(tmp_path, text, line):
    with pytest.raises(source.BundleError) as e:
        documents(tmp_path, text)

    assert [problem.place.line for problem in e.value.problems] == [line]


def test_given_lists_in_lists_without_end_when_read_then_it_is_refused(tmp_path):
    with pytest.raises(source.BundleError, match=r"some\.yaml:1: .*nested too deep"):
        documents(tmp_path, "a: " + "[" * 1500 + "]" * 1500)


def test_given_no_file_when_read_then_it_says_so(tmp_path):
    with pytest.raises(source.BundleError, match="cannot be read: No such file"):
        source.documents(tmp_path / "none.yaml", [])


def test_given_a_file_below_the_working_directory_when_shown_then_its_path_is_short(
    tmp_path, monkeypatch
):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")

    assert source.shown(tmp_path / "a" / "b" / "x.yaml") == "x.yaml"
    assert source.shown(tmp_path / "x.yaml") == str(tmp_path / "x.yaml")
