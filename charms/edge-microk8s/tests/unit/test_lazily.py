import sys

import pytest

import lazily


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "seldom_used.py").write_text("import sys\nsys.seldom = True\nANSWER = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield lazily.load("seldom_used")
    sys.modules.pop("seldom_used", None)
    vars(sys).pop("seldom", None)


def test_given_a_module_when_loaded_lazily_then_its_code_runs_at_the_first_use(module):
    before = hasattr(sys, "seldom")

    assert module.ANSWER == 42
    assert not before
    assert sys.seldom


def test_given_a_module_when_loaded_twice_then_it_is_the_same(module):
    assert lazily.load("seldom_used") is module


def test_given_no_such_module_when_loaded_then_it_says_so_at_once():
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        lazily.load("nowhere_to_be_found")
