"""Tests of running a folder that may have no tests yet."""

import run_tests


def test_given_a_folder_without_tests_when_run_then_it_says_so_and_succeeds(tmp_path, capsys):
    result = run_tests.main([str(tmp_path)])

    assert result == 0
    assert "no tests yet" in capsys.readouterr().out


def test_given_a_failing_test_when_run_then_it_fails(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it():\n    assert 0\n", encoding="utf-8")

    assert run_tests.main([str(tmp_path), "-q", "-p", "no:cacheprovider"]) == 1
