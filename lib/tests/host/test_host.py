import os
import subprocess
import sys

import hypothesis
import pytest
from hypothesis import strategies

from edgecloud import host


@pytest.fixture
def tree(tmp_path):
    return host.LocalHost(tmp_path)


def test_given_a_command_when_run_then_its_output_is_returned(tree):
    result = tree.run((sys.executable, "-c", "print('hello')"), timeout_s=30)

    assert result.stdout == "hello\n"


def test_given_a_failing_command_when_run_then_it_raises_with_what_it_said(tree):
    program = "import sys; sys.exit('no such snap')"

    with pytest.raises(subprocess.CalledProcessError) as caught:
        tree.run((sys.executable, "-c", program), timeout_s=30)

    assert "no such snap" in caught.value.stderr


def test_given_a_failing_command_when_run_unchecked_then_its_code_is_returned(tree):
    result = tree.run((sys.executable, "-c", "raise SystemExit(3)"), timeout_s=30, check=False)

    assert result.returncode == 3


def test_given_a_slow_command_when_run_then_it_is_killed(tree):
    with pytest.raises(subprocess.TimeoutExpired):
        tree.run((sys.executable, "-c", "import time; time.sleep(60)"), timeout_s=0.2)


def test_given_input_when_run_then_the_command_reads_it(tree):
    program = "import sys; print(sys.stdin.read().upper())"

    result = tree.run((sys.executable, "-c", program), timeout_s=30, stdin="secret")

    assert result.stdout == "SECRET\n"


def test_given_a_command_that_prints_no_text_when_run_then_its_output_is_returned_all_the_same(
    tree,
):
    program = r"import sys; sys.stdout.buffer.write(b'a\xff\n'); sys.exit(3)"

    result = tree.run((sys.executable, "-c", program), timeout_s=30, check=False)

    assert (result.stdout, result.returncode) == ("a\ufffd\n", 3)


def test_given_a_file_that_a_power_cut_damaged_when_read_then_what_is_text_is_returned(tree):
    tree.path("/file").write_bytes(b"a\xffb\x00")

    assert tree.read("/file") == "a\ufffdb\x00"
    assert tree.write("/file", "whole")
    assert tree.read("/file") == "whole"


def test_given_no_input_when_run_then_the_command_finds_it_closed(tree):
    program = "import sys; print(repr(sys.stdin.read()))"

    assert tree.run((sys.executable, "-c", program), timeout_s=30).stdout == "''\n"


def test_given_an_environment_when_run_then_it_is_added_to_ours(tree, monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    program = "import os; print(os.environ['KEPT'], os.environ['ADDED'])"

    result = tree.run((sys.executable, "-c", program), timeout_s=30, env={"ADDED": "2"})

    assert result.stdout == "1 2\n"


@hypothesis.given(text=strategies.text(strategies.characters(exclude_categories=["Cs"])))
@hypothesis.settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
def test_given_any_text_when_written_then_it_is_read_back(tree, text):
    normal = text.replace("\r\n", "\n").replace("\r", "\n")

    tree.write("/etc/some/file", normal)

    assert tree.read("/etc/some/file") == normal


def test_given_the_same_text_when_written_then_nothing_changed(tree):
    first = tree.write("/etc/file", "text\n")
    second = tree.write("/etc/file", "text\n")

    assert (first, second) == (True, False)


def test_given_another_mode_when_written_then_only_the_mode_changes(tree):
    tree.write("/etc/file", "text\n")

    changed = tree.write("/etc/file", "text\n", mode=0o600)

    assert changed
    assert tree.path("/etc/file").stat().st_mode & 0o777 == 0o600


def test_given_a_write_that_fails_when_written_then_the_former_content_stays(tree, monkeypatch):
    tree.write("/etc/file", "former")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        tree.write("/etc/file", "new")

    assert tree.read("/etc/file") == "former"
    assert tree.glob("/etc/.*") == []


def test_given_a_binary_file_when_written_over_then_it_is_replaced(tree):
    tree.write("/etc/file", "")
    tree.path("/etc/file").write_bytes(b"\xff\xfe")

    assert tree.write("/etc/file", "text")


def test_given_a_file_when_removed_twice_then_only_the_first_finds_it(tree):
    tree.write("/etc/file", "text")

    assert (tree.remove("/etc/file"), tree.remove("/etc/file")) == (True, False)
    assert not tree.exists("/etc/file")


def test_given_files_when_globbed_then_absolute_paths_come_back_sorted(tree):
    for name in ("b", "a"):
        tree.write(f"/etc/{name}.yaml", "")

    assert tree.glob("/etc/*.yaml") == ["/etc/a.yaml", "/etc/b.yaml"]


def test_given_a_path_that_is_not_there_when_asked_for_space_then_its_parent_answers(tree):
    assert tree.free_bytes("/var/snap/microk8s") > 0
    assert tree.free_inodes("/var/snap/microk8s") > 0


def test_given_a_swapped_host_when_put_back_then_this_is_the_former(tree):
    former = host.use(tree)
    swapped = host.this()
    host.use(former)

    assert swapped is tree
    assert host.this() is former


def test_given_a_machine_when_asked_for_the_time_then_it_moves_on(tree):
    assert tree.now() <= tree.now()
