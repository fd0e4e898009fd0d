import pytest

from edgecloud.host import kernel_line

FILE = kernel_line.BOOT_FILES[1]


@pytest.mark.parametrize("path", kernel_line.BOOT_FILES)
def test_given_a_boot_layout_when_looked_for_then_its_command_line_is_found(machine, path):
    machine.write(path, "rootwait\n")

    assert kernel_line.boot_file(machine) == path


def test_given_no_pi_when_looked_for_then_there_is_no_command_line(machine):
    assert kernel_line.boot_file(machine) == ""


@pytest.mark.parametrize(
    ("path", "text", "there"),
    [
        ("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n", True),
        ("/sys/fs/cgroup/cgroup.controllers", "cpu pids\n", False),
        ("/proc/self/mountinfo", "30 24 0:27 / /sys/fs/cgroup/memory rw - cgroup\n", True),
    ],
)
def test_given_cgroups_of_either_version_when_asked_then_memory_is_seen(
    machine, path, text, there
):
    machine.write(path, text)

    assert kernel_line.has_memory_cgroup(machine) is there


@pytest.mark.parametrize(
    ("file", "line", "remedy"),
    [
        ("", "", "add `cgroup_enable=memory"),
        (FILE, "rootwait cgroup_enable=memory", "reboot: "),
        (FILE, "rootwait", f"append ` {kernel_line.CGROUP_FLAGS}` to the one line of {FILE}"),
    ],
)
def test_given_what_is_known_of_the_boot_when_asked_then_the_remedy_fits(file, line, remedy):
    assert kernel_line.cgroup_remedy(file, line).startswith(remedy)
