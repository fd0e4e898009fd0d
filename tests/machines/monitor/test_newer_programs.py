"""Programs of another Debian are there for one command, and for nobody else."""

import pathlib
import shutil
import subprocess
import sys

TOOL = pathlib.Path(__file__).parents[3] / "tools/newer_programs.py"


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_given_other_programs_when_a_command_runs_then_it_sees_them_and_nobody_else_does(tmp_path):
    programs = tmp_path / "root/usr/bin"
    programs.mkdir(parents=True)
    shutil.copy("/usr/bin/true", programs / "printf")
    (tmp_path / "whole").touch()

    assert said(sys.executable, str(TOOL), str(tmp_path), "/usr/bin/printf", "seen") == ""
    assert said("/usr/bin/printf", "seen") == "seen"
