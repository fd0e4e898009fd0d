"""Tests of dispatching an unpacked charm without Juju."""

import subprocess

import pytest

from standins import recording, unit

HOST = """
class LocalHost:
    def __init__(self, root):
        self.root = root
    def path(self, path):
        return self.root + path
    def now(self):
        return 0.0
    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        import subprocess
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
current = None
def use(host):
    global current
    current = host
"""


@pytest.fixture
def placed(charm, tmp_path):
    """Return a function that places a unit of a charm with the given source on a machine."""

    def place(source):
        folder = charm(source)
        (folder / "lib" / "edgecloud").mkdir(parents=True)
        (folder / "lib" / "edgecloud" / "host.py").write_text(HOST, encoding="utf-8")
        (tmp_path / "machine" / "usr/bin").mkdir(parents=True)
        return unit.Unit(folder, tmp_path / "around", machine=tmp_path / "machine")

    return place


def test_given_a_hook_when_dispatched_then_the_charm_sees_what_juju_would_tell(placed):
    subject = placed("import os; print(os.environ['JUJU_DISPATCH_PATH'], os.getcwd())")

    result = subject.dispatch("start")

    assert result.stdout.split() == ["hooks/start", str(subject.charm)]


def test_given_a_charm_that_fails_when_dispatched_then_its_exit_code_and_words_are_kept(placed):
    result = placed("raise SystemExit('no memory cgroup')").dispatch("start")

    assert result.returncode == 1
    assert "no memory cgroup" in result.stderr


def test_given_hook_commands_when_called_then_they_answer_and_are_listed(placed):
    subject = placed(
        """
        import subprocess
        print(subprocess.run(["config-get", "--format=json"], capture_output=True).stdout)
        subprocess.run(["status-set", "active"])
        """
    )
    subject.set_model({"config": {"keep": 3}})

    result = subject.dispatch("update-status")

    assert '{"keep": 3}' in result.stdout
    assert [call[0] for call in subject.calls()] == ["config-get", "status-set"]
    assert subject.model["unit_status"]["status"] == "active"


def test_given_a_second_hook_when_dispatched_then_only_its_calls_are_listed(placed):
    subject = placed("import subprocess; subprocess.run(['is-leader'])")

    subject.dispatch("start")
    subject.dispatch("start")

    assert len(subject.calls()) == 1


def test_given_a_package_of_this_machine_when_imported_then_the_charm_has_none(placed):
    result = placed("import pytest").dispatch("start")

    assert "No module named 'pytest'" in result.stderr


def test_given_a_program_of_its_machine_when_run_then_it_is_that_one(placed, tmp_path):
    subject = placed(
        """
        from edgecloud import host
        print(host.current.run(["/usr/bin/snap", "list"], timeout_s=5).stdout)
        """
    )
    program = tmp_path / "machine/usr/bin/snap"
    program.write_text("#!/bin/sh\necho stand-in $1\n", encoding="utf-8")
    program.chmod(0o755)

    assert subject.dispatch("start").stdout.strip() == "stand-in list"


def test_given_a_program_of_this_machine_only_when_run_then_it_is_not_found(placed):
    subject = placed("from edgecloud import host; host.current.run(['/usr/bin/env'], timeout_s=5)")

    assert "FileNotFoundError" in subject.dispatch("start").stderr


def test_given_a_recording_when_run_then_the_answer_is_replayed_at_its_time(placed, tmp_path):
    subject = placed(
        """
        from edgecloud import host
        answer = host.current.run(["/snap/bin/microk8s", "status"], timeout_s=5)
        print(answer.stdout, answer.stderr, answer.returncode, host.current.now())
        """
    )
    answer = subprocess.CompletedProcess([], 3, "not running", "careful")
    listing = recording.write({("/snap/bin/microk8s", "status"): answer}, tmp_path / "answers")

    result = subject.dispatch(
        "start", environment={"STANDIN_RECORDING": str(listing), "STANDIN_NOW": "42.5"}
    )

    assert result.stdout.split("\n")[0] == "not running careful 3 42.5"


def test_given_a_command_that_was_not_recorded_when_run_then_the_hook_fails(placed, tmp_path):
    subject = placed("from edgecloud import host; host.current.run(['/x'], timeout_s=5)")
    listing = recording.write({}, tmp_path / "answers")

    result = subject.dispatch("start", environment={"STANDIN_RECORDING": str(listing)})

    assert "no answer was recorded" in result.stderr


def test_given_a_frozen_unit_when_dispatched_then_answers_stay_and_new_questions_fail(placed):
    subject = placed(
        """
        import subprocess
        for line in (["config-get", "it's"], ["status-set", "active"], ["is-leader", "now"]):
            answer = subprocess.run(line, capture_output=True, text=True)
            print(answer.returncode, answer.stdout.strip())
        """
    )
    subject.set_model({"config": {"it's": 'a "b"'}})
    first = subject.dispatch("update-status").stdout

    subject.freeze()
    subject.set_model({"config": {"it's": "other"}})

    assert subject.dispatch("update-status").stdout == first
    assert [call[0] for call in subject.calls()] == ["config-get", "status-set", "is-leader"]


def test_given_a_frozen_unit_when_something_new_is_asked_then_it_fails(placed):
    subject = placed(
        """
        import subprocess
        raise SystemExit(subprocess.run(["relation-ids", "cluster"]).returncode)
        """
    )

    subject.freeze()

    assert subject.dispatch("start").returncode == 99
