"""The agent as one file: the same bytes from the same tree, and Python alone runs it."""

import subprocess
import sys

import agent_zipapp


def test_given_the_tree_when_built_twice_then_the_bytes_are_the_same():
    assert agent_zipapp.build() == agent_zipapp.build()


def test_given_the_file_when_run_without_any_package_then_it_answers(tmp_path):
    target = tmp_path / "agent.pyz"
    agent_zipapp.main([str(target)])

    command = (sys.executable, "-I", "-S", str(target), "--help")
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert "verify-audit" in said.stdout


def test_given_a_module_with_a_foreign_import_when_looked_at_then_it_is_named(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("import json\nimport yaml\nfrom edgecloud import host\n")

    assert agent_zipapp.foreign_imports(module) == {"yaml"}
