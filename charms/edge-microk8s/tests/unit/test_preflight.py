import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

import preflight
from edgecloud.host import kernel_line
from edgelab import pi

GOOD = preflight.Facts(
    bits=64,
    memory_kb=4 * 1024 * 1024,
    hostname="pi-1",
    memory_cgroup=True,
    boot_file="/boot/firmware/cmdline.txt",
    boot_line="console=tty1 rootwait",
    missing_modules=(),
    free_bytes=30 * 10**9,
    free_inodes=10**6,
    now=1_800_000_000.0,
    in_lxd=False,
    kmsg=True,
    taken_ports=(),
    sudo=True,
)


@pytest.fixture
def world(tmp_path):
    return pi.World(tmp_path, pi.Clock())


def judge(role="control-plane", profile="auto", **facts):
    return preflight.judge(dataclasses.replace(GOOD, **facts), role=role, profile=profile)


def remedy(**facts):
    (finding,) = judge(**facts)
    return finding.remedy


def look(machine, *, installed=False, role="control-plane"):
    facts = preflight.gather(machine.host(), installed=installed)
    return preflight.judge(facts, role=role, profile="auto")


def test_given_a_good_machine_when_judged_then_there_are_no_findings():
    assert judge() == ()


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        ("64-bit", {"bits": 32}),
        ("memory", {"memory_kb": 524288}),
        ("memory-cgroup", {"memory_cgroup": False}),
        ("modules", {"missing_modules": ("vxlan",)}),
        ("hostname", {"hostname": "Pi_1"}),
        ("disk", {"free_bytes": 2 * 10**9}),
        ("inodes", {"free_inodes": 100}),
        ("clock", {"now": 0.0}),
        ("clock", {"now": 5e9}),
        ("kmsg", {"kmsg": False}),
        ("ports", {"taken_ports": (16443,)}),
        ("sudo", {"sudo": False}),
    ],
)
def test_given_one_thing_missing_when_judged_then_it_is_the_one_finding(code, facts):
    (finding,) = judge(**facts)

    assert finding.code == code
    assert finding.problem
    assert finding.remedy


@hypothesis.given(
    strategies.builds(
        preflight.Facts,
        bits=strategies.sampled_from([32, 64]),
        memory_kb=strategies.integers(0, 2**24),
        boot_file=strategies.sampled_from(["", *kernel_line.BOOT_FILES]),
        missing_modules=strategies.lists(strategies.sampled_from(preflight.MODULES)).map(tuple),
        taken_ports=strategies.lists(strategies.sampled_from(sorted(preflight.PORTS))).map(tuple),
    )
)
def test_given_any_machine_when_judged_then_findings_come_in_order_and_can_be_shown(facts):
    found = preflight.judge(facts, role="worker", profile="auto")

    places = [preflight.CODES.index(finding.code) for finding in found]
    assert places == sorted(set(places))
    assert preflight.report(found).count("FAIL") == len(found)


@pytest.mark.parametrize("name", ["Pi-1", "pi_1", "pi.site", "-pi", "pi-", "", "a" * 64, "p i"])
def test_given_an_illegal_host_name_when_judged_then_the_way_to_change_it_is_named(name):
    assert "hostnamectl set-hostname" in remedy(hostname=name)


@pytest.mark.parametrize("name", ["pi", "pi-1", "1", "a" * 63])
def test_given_a_legal_host_name_when_judged_then_nothing_is_found(name):
    assert judge(hostname=name) == ()


@pytest.mark.parametrize("path", kernel_line.BOOT_FILES)
def test_given_a_pi_without_memory_cgroup_when_judged_then_the_exact_line_is_given(path):
    found = remedy(memory_cgroup=False, boot_file=path)

    assert found.startswith(
        f"append ` cgroup_enable=memory cgroup_memory=1` to the one line of {path}"
    )
    assert found.endswith("then reboot")


def test_given_a_line_that_was_edited_when_judged_then_only_the_reboot_is_missing():
    line = "console=tty1 cgroup_enable=memory cgroup_memory=1"

    assert remedy(memory_cgroup=False, boot_line=line).startswith("reboot")


def test_given_a_machine_that_is_no_pi_when_judged_then_no_file_is_guessed():
    assert "/boot" not in remedy(memory_cgroup=False, boot_file="")


def test_given_a_container_without_memory_cgroup_when_judged_then_the_host_is_to_be_changed():
    assert "of the host" in remedy(memory_cgroup=False, in_lxd=True)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "apt-get install linux-modules-extra-raspi"),
        ({"boot_file": ""}, "linux-modules-extra-$(uname -r)"),
        ({"in_lxd": True}, "modprobe -a vxlan overlay"),
    ],
    ids=["pi", "other", "container"],
)
def test_given_missing_modules_when_judged_then_the_remedy_fits_the_machine(facts, words):
    assert words in remedy(missing_modules=("vxlan", "overlay"), **facts)


def test_given_a_container_without_kmsg_when_judged_then_the_profile_is_named():
    assert "lxd-profile.yaml" in remedy(kmsg=False, in_lxd=True)


def test_given_a_worker_when_judged_then_less_memory_and_disk_will_do():
    assert judge(role="worker", memory_kb=426000, free_bytes=3 * 10**9) == ()


def test_given_ports_that_are_taken_when_judged_then_each_is_named():
    (finding,) = judge(taken_ports=(10250, 16443))

    assert "10250 (the kubelet), 16443 (the Kubernetes API)" in finding.problem


def test_given_findings_when_reported_then_the_list_is_whole():
    text = preflight.report(judge(sudo=False, kmsg=False))

    lines = text.splitlines()
    assert lines[0] == "ok    64-bit"
    assert "FAIL  sudo: there is no sudo, which MicroK8s calls" in lines
    assert lines[-1] == "      -> `apt-get install sudo` as root"
    assert sum(line.startswith(("ok", "FAIL")) for line in lines) == len(preflight.CODES)


def test_given_a_finding_when_shown_then_it_is_a_sentence_with_its_remedy():
    (finding,) = judge(sudo=False)

    assert str(finding) == (
        "there is no sudo, which MicroK8s calls: `apt-get install sudo` as root"
    )


def test_given_a_fresh_pi_when_looked_at_then_it_passes(world):
    assert look(world.add_machine("0")) == ()


def test_given_a_container_when_looked_at_then_its_missing_device_is_found(world):
    container = world.add_machine("0", container_of="host")

    assert [finding.code for finding in look(container)] == ["kmsg"]


@pytest.mark.parametrize(
    ("release", "path"),
    [
        ("24.04", "/boot/firmware/cmdline.txt"),
        ("26.04", "/boot/firmware/current/cmdline.txt"),
    ],
)
def test_given_a_pi_of_either_layout_when_looked_at_then_its_own_file_is_named(
    world, release, path
):
    machine = world.add_machine("0", release=release)
    pi.hardware.forget_memory_cgroup(machine)

    (finding,) = look(machine)

    assert f"one line of {path} " in finding.remedy


def test_given_the_first_cgroup_version_when_looked_at_then_it_counts(world):
    machine = world.add_machine("0")
    machine.host().write("/sys/fs/cgroup/cgroup.controllers", "")
    machine.host().write("/proc/self/mountinfo", "30 1 0:1 / /sys/fs/cgroup/memory rw\n")

    assert look(machine) == ()


def test_given_a_pi_with_a_bare_kernel_when_looked_at_then_vxlan_is_missing(world):
    machine = world.add_machine("0", missing_modules=["vxlan"])

    (finding,) = look(machine)

    assert (finding.code, finding.problem) == ("modules", "no kernel module vxlan")


def test_given_a_module_that_is_built_in_when_looked_at_then_it_is_not_missing(world):
    machine = world.add_machine("0", missing_modules=["vxlan"])
    machine.host().write("/sys/module/vxlan/refcnt", "0")

    assert look(machine) == ()


def test_given_a_program_on_our_port_when_looked_at_then_it_is_found(world):
    machine = world.add_machine("0", foreign_ports=[16443, 8080])

    assert preflight.gather(machine.host(), installed=False).taken_ports == (16443,)
    assert preflight.gather(machine.host(), installed=True).taken_ports == ()


@pytest.mark.parametrize(
    ("limit", "role", "codes"),
    [
        ("536870912", "control-plane", ["memory"]),
        ("536870912", "worker", []),
        ("max", "worker", []),
    ],
)
def test_given_a_limit_of_memory_when_looked_at_then_the_role_must_fit(world, limit, role, codes):
    machine = world.add_machine("0")
    machine.host().write("/sys/fs/cgroup/memory.max", f"{limit}\n")

    assert [finding.code for finding in look(machine, role=role)] == codes


def test_given_a_full_disk_and_a_wrong_clock_when_looked_at_then_both_are_found(world):
    machine = world.add_machine("0", clock_offset=-1.7e9)
    machine.fill_disk()

    assert [finding.code for finding in look(machine)] == ["disk", "inodes", "clock"]


def test_given_a_machine_without_sudo_when_looked_at_then_that_is_found(world):
    assert [item.code for item in look(world.add_machine("0", has_sudo=False))] == ["sudo"]


def test_given_tools_that_do_not_answer_when_looked_at_then_modules_count_as_missing(world):
    machine = world.add_machine("0")
    for program in ("/usr/sbin/modprobe", "/usr/bin/ss"):
        machine.faults.add(pi.Fault((program,), pi.hang(), times=0))

    facts = preflight.gather(machine.host(), installed=False)

    assert facts.missing_modules == preflight.MODULES
    assert facts.taken_ports == ()
