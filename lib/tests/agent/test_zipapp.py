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


def test_given_the_file_when_run_for_metrics_then_nothing_of_an_upgrade_is_loaded(tmp_path):
    target, root = tmp_path / "agent.pyz", tmp_path / "root"
    agent_zipapp.main([str(target)])
    code = f"""
import runpy, sys
sys.argv = ["edge-agent", "metrics"]
sys.path.insert(0, {str(target)!r})
from edgecloud import host
host.use(host.LocalHost({str(root)!r}))
try:
    runpy.run_path({str(target)!r}, run_name="__main__")
except SystemExit as end:
    print(end.code, *sorted(name for name in sys.modules if name.startswith("edgecloud")))
"""

    command = (sys.executable, "-IS", "-c", code)
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    result, *loaded = said.stdout.split()
    assert (result, said.stderr) == ("0", "")
    assert "edgecloud.agent.gauges.writing" in loaded
    assert not {"edgecloud.agent.main", "edgecloud.agent.effects"} & set(loaded)
    assert not [name for name in loaded if name.startswith("edgecloud.rollout")]
    assert (root / "run/edge-agent/metrics/edge-node.prom").exists()
