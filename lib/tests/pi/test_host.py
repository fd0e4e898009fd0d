import subprocess

import pytest

from edgelab import pi


def test_given_file_when_written_twice_then_only_the_first_time_changes_it(site):
    host = site.host(0)

    changes = [host.write("/etc/thing", "text"), host.write("/etc/thing", "text")]

    assert changes == [True, False]
    assert host.read("/etc/thing") == "text"


@pytest.mark.parametrize("size", [0, 65535, 65536, 65537, 200_000])
def test_given_a_file_of_any_length_when_read_then_all_of_it_is_there(site, size):
    host = site.host(0)
    host.write("/etc/thing", "x" * size)

    assert host.read("/etc/thing") == "x" * size


def test_given_line_ends_of_another_system_when_read_then_they_are_ours(site):
    host = site.host(0)
    host.path("/etc/thing").write_bytes(b"one\r\ntwo\rthree\n")

    assert host.read("/etc/thing") == "one\ntwo\nthree\n"


@pytest.mark.parametrize("pattern", ["/etc/thing/*.d/x*", "/etc/*/a.d/x1", "/etc/thing/a.d/x1"])
def test_given_a_pattern_when_globbed_then_what_matches_is_found(site, pattern):
    host = site.host(0)
    host.write("/etc/thing/a.d/x1", "")
    host.write("/etc/thing/b/x2", "")

    assert host.glob(pattern) == ["/etc/thing/a.d/x1"]


def test_given_other_mode_when_written_then_the_mode_changes(site):
    host = site.host(0)
    host.write("/etc/thing", "text")

    changed = host.write("/etc/thing", "text", mode=0o600)

    assert changed
    assert host.path("/etc/thing").stat().st_mode & 0o777 == 0o600


def test_given_full_disk_when_written_then_the_former_text_stays(site):
    host = site.host(0)
    host.write("/etc/thing", "old")
    site.machine(0).fill_disk()

    with pytest.raises(OSError, match="No space left"):
        host.write("/etc/thing", "new text")

    assert host.read("/etc/thing") == "old"
    assert host.free_bytes("/") == 0 and host.free_inodes("/") == 0


def test_given_freed_disk_when_written_then_it_works_again(site):
    site.machine(0).fill_disk()
    site.machine(0).free_disk()

    assert site.host(0).write("/etc/thing", "text")


def test_given_files_when_globbed_then_paths_are_absolute_and_sorted(site):
    host = site.host(0)
    for name in "ba":
        host.write(f"/etc/x/{name}.conf", "")

    assert host.glob("/etc/x/*.conf") == ["/etc/x/a.conf", "/etc/x/b.conf"]


def test_given_file_when_removed_then_it_says_whether_it_was_there(site):
    site.host(0).write("/etc/thing", "")

    assert [site.host(0).remove("/etc/thing") for _ in range(2)] == [True, False]


def test_given_no_power_when_touched_then_power_cut(site):
    host = site.host(0)
    site.machine(0).power_off()

    for touch in (lambda: host.read("/etc/hostname"), lambda: host.now(), lambda: host.glob("/*")):
        with pytest.raises(pi.PowerCut):
            touch()
    with pytest.raises(pi.PowerCut):
        host.run(["/usr/bin/true"], timeout_s=1)


def test_given_unknown_program_when_run_then_file_not_found(site):
    with pytest.raises(FileNotFoundError):
        site.run(0, "/usr/bin/nonesuch")


def test_given_no_snap_when_microk8s_is_run_then_file_not_found(site):
    with pytest.raises(FileNotFoundError):
        site.microk8s(0, "status")


def test_given_failing_command_when_checked_then_called_process_error_with_the_words(site):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        site.host(0).run(["/usr/bin/snap", "list", "nothing"], timeout_s=5)

    assert "no matching snaps" in caught.value.stderr


def test_given_stopped_clock_when_time_passes_then_only_others_see_it(site):
    before = site.host(0).now()
    site.machine(0).stop_clock()

    site.wait(100)

    assert site.host(0).now() == before
    assert site.host(1).now() == before + 100


def test_given_offset_when_clock_is_read_then_it_is_wrong_by_that(site):
    site.machine(0).clock_offset = -3600

    assert site.host(0).now() == site.host(1).now() - 3600


def test_given_command_when_it_ran_then_the_call_is_recorded_without_its_input(site):
    site.run(0, "/usr/sbin/nft", "-f", "-", stdin="table inet x {\n}\n")

    call = site.world.calls[-1]
    assert (call.machine, call.argv, call.exit_code) == ("0", ("/usr/sbin/nft", "-f", "-"), 0)
    assert call.stdin_size == 17
    assert call.seconds > 0


def test_given_speed_when_commands_run_then_they_take_that_much_of_the_time(site):
    site.world.speed = 0.1

    before = site.world.clock.now()
    site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")

    assert 5 < site.world.clock.now() - before < 15


def test_given_fresh_pi_when_looked_at_then_it_has_a_pi_s_facts(site):
    host = site.host(0)

    assert host.read("/proc/device-tree/model").startswith("Raspberry Pi 5")
    assert "memory" in host.read("/sys/fs/cgroup/cgroup.controllers").split()
    assert host.read("/etc/hostname") == "pi-0\n"
    assert host.exists("/dev/kmsg") and host.exists("/boot/firmware/cmdline.txt")


def test_given_new_release_when_looked_at_then_the_kernel_has_a_folder_of_its_own(site):
    site.world.add_machine("new", release="26.04")

    assert site.host("new").exists("/boot/firmware/current/cmdline.txt")
    assert not site.host("new").exists("/boot/firmware/cmdline.txt")


def test_given_container_when_looked_at_then_it_looks_like_one(site):
    site.world.add_machine("0-lxd-0", container_of="0")

    host = site.host("0-lxd-0")
    assert "lxc" in host.read("/proc/1/environ")
    assert not host.exists("/dev/kmsg")
    assert host.read("/sys/fs/cgroup/memory.max") == "max\n"


def test_given_no_memory_cgroup_when_line_is_mended_and_rebooted_then_it_is_there(site):
    from edgelab.pi import hardware

    machine, host = site.machine(0), site.host(0)
    hardware.forget_memory_cgroup(machine)
    missing = "memory" not in host.read("/sys/fs/cgroup/cgroup.controllers")
    line = host.read("/boot/firmware/cmdline.txt").strip()

    host.write("/boot/firmware/cmdline.txt", f"{line} cgroup_enable=memory cgroup_memory=1\n")
    machine.reboot()

    assert missing
    assert "memory" in host.read("/sys/fs/cgroup/cgroup.controllers").split()


def test_given_reboot_when_over_then_the_boot_id_is_another(site):
    before = site.host(0).read("/proc/sys/kernel/random/boot_id")

    site.run(0, "/usr/bin/systemctl", "reboot")

    assert site.host(0).read("/proc/sys/kernel/random/boot_id") != before
    assert site.machine(0).boots == 2


def test_given_cut_when_one_machine_is_isolated_then_nobody_reaches_it_until_healed(site):
    one, other = site.machine(0), site.machine(1)

    site.world.cut("0")
    while_cut = site.world.reaches(one, other)
    site.world.heal("0", "1")

    assert not while_cut
    assert site.world.reaches(one, other)
    assert not site.world.reaches(one, site.machine(2))


def test_given_same_address_when_old_machine_is_off_then_the_new_one_answers(site):
    site.machine(0).power_off()
    site.world.add_machine("new", address=site.machine(0).address)

    assert site.world.machine_at("10.20.0.11").id == "new"


def test_given_a_damaged_file_when_read_then_it_is_as_on_a_real_machine(site):
    site.host(0).path("/file").write_bytes(b"a\xffb\x00")

    assert site.host(0).read("/file") == "a\ufffdb\x00"
