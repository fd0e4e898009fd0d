"""Tests of running a folder that may have no tests yet."""

import pathlib

import run_tests


def test_given_a_folder_without_tests_when_run_then_it_says_so_and_succeeds(tmp_path, capsys):
    result = run_tests.main([str(tmp_path)])

    assert result == 0
    assert "no tests yet" in capsys.readouterr().out


def test_given_a_failing_test_when_run_then_it_fails(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it():\n    assert 0\n", encoding="utf-8")

    assert run_tests.main([str(tmp_path), "-q", "-p", "no:cacheprovider"]) == 1


def folders(tmp_path, **bodies):
    """Make a folder with one test for each body."""
    for name, body in bodies.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"test_{name}.py").write_text(f"def test_{name}():\n    {body}\n")
    return [str(tmp_path / name) for name in bodies]


QUIET = ("-q", "-p", "no:cacheprovider")


def test_given_folders_when_run_then_each_line_says_whose_it_is(tmp_path, capsys):
    result = run_tests.main([*folders(tmp_path, a="pass", long="pass"), *QUIET])

    shown = capsys.readouterr().out
    assert result == 0
    assert "a    | 1 passed" in shown and "long | 1 passed" in shown


def test_given_folders_when_one_fails_then_all_ran_and_it_is_named(tmp_path, capsys):
    result = run_tests.main([*folders(tmp_path, a="assert 0", b="pass"), *QUIET])

    shown = capsys.readouterr().out
    assert result == 1
    assert "a: FAILED" in shown and "b: passed" in shown


def test_given_tests_of_one_folder_chosen_when_run_then_the_others_do_not_matter(tmp_path):
    assert run_tests.main([*folders(tmp_path, a="pass", b="pass"), *QUIET, "-k", "test_a"]) == 0


def test_given_no_test_chosen_when_run_then_it_fails(tmp_path):
    assert run_tests.main([*folders(tmp_path, a="pass", b="pass"), *QUIET, "-k", "other"]) == 5


def test_given_tests_beside_the_folders_when_run_then_they_are_not_forgotten(tmp_path, capsys):
    wanted = folders(tmp_path, a="pass", b="pass", c="pass")

    assert run_tests.main([*wanted[:2], *QUIET]) == 1
    assert "test_c.py" in capsys.readouterr().err


def test_given_memory_when_tests_write_then_it_lies_there_and_is_gone_afterwards(tmp_path):
    place = tmp_path / "place"
    body = f"import pathlib, tempfile; pathlib.Path({str(place)!r}).write_text(tempfile.mkdtemp())"

    assert run_tests.main([run_tests.IN_MEMORY, *folders(tmp_path, a=body), *QUIET]) == 0

    made = pathlib.Path(place.read_text())
    assert made.is_relative_to(run_tests.MEMORY) and not made.exists()


def test_given_too_little_memory_when_tests_run_then_they_write_as_always(tmp_path, monkeypatch):
    monkeypatch.setattr(run_tests, "ENOUGH_BYTES", 1 << 62)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    place = tmp_path / "place"
    body = f"import pathlib, tempfile; pathlib.Path({str(place)!r}).write_text(tempfile.mkdtemp())"

    assert run_tests.main([run_tests.IN_MEMORY, *folders(tmp_path, a=body), *QUIET]) == 0

    assert pathlib.Path(place.read_text()).parent == tmp_path
