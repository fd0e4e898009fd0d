import subprocess

import pytest

import edgecloud.host
from edgelab import pi


class ScriptedHost(edgecloud.host.LocalHost):
    """A folder for a machine, whose commands answer as they were told to; with manners."""

    def __init__(self, root):
        super().__init__(root)
        self.answers = []
        self.calls = []
        self.inputs = []

    def answer(self, *prefix, stdout="", stderr="", code=0, error=None):
        self.answers.append((prefix, stdout, stderr, code, error))
        return self

    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        assert command[0].startswith("/"), "no absolute path"
        assert timeout_s > 0
        self.calls.append(tuple(command))
        self.inputs.append(stdin)
        for prefix, stdout, stderr, code, error in self.answers:
            if tuple(command[: len(prefix)]) == prefix:
                if error is not None:
                    raise error
                result = subprocess.CompletedProcess(command, code, stdout, stderr)
                if check:
                    result.check_returncode()
                return result
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def machine(tmp_path):
    return ScriptedHost(tmp_path)


@pytest.fixture
def world(tmp_path):
    return pi.World(tmp_path, pi.Clock())


@pytest.fixture
def raspberry(world):
    return world.add_machine("0").host()
