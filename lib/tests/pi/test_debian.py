import pytest

from edgelab.pi import firewall

RULES = """\
table inet edge
delete table inet edge
table inet edge {
  set members { type ipv4_addr; elements = { 10.20.0.11, 10.20.0.12 } }
  chain input {
    type filter hook input priority -10; policy accept;
    iif lo accept
    ip saddr @members tcp dport 25000 accept
    tcp dport { 19001, 25000 } drop
  }
}
"""


def test_given_missing_module_when_probed_then_exit_1_until_its_package_is_there(site):
    site.machine(0).missing_modules = ["vxlan"]

    missing = site.run(0, "/usr/sbin/modprobe", "-n", "vxlan")
    site.run(0, "/usr/bin/apt-get", "install", "-y", "linux-modules-extra-raspi")

    assert missing.returncode == 1 and "Module vxlan not found" in missing.stderr
    assert site.run(0, "/usr/sbin/modprobe", "-n", "vxlan").returncode == 0
    assert site.machine(0).loaded_modules == []


def test_given_package_when_removed_then_it_is_gone(site):
    site.run(0, "/usr/bin/apt-get", "install", "-y", "nftables")
    site.run(0, "/usr/bin/apt-get", "remove", "-y", "nftables")

    assert site.machine(0).packages == []


@pytest.mark.parametrize("trouble", ["uplink", "disk", "words"])
def test_given_trouble_when_packages_are_installed_then_it_fails(site, trouble):
    machine = site.machine(0)
    machine.uplink = trouble != "uplink"
    machine.disk_filled = trouble == "disk"
    words = () if trouble == "words" else ("install", "x")

    assert site.run(0, "/usr/bin/apt-get", *words).returncode != 0


def test_given_rules_when_loaded_then_members_are_let_in_and_others_not(site):
    site.run(0, "/usr/sbin/nft", "-f", "-", stdin=RULES)

    machine = site.machine(0)
    assert firewall.admits(machine, "10.20.0.12", 25000)
    assert not firewall.admits(machine, "10.20.0.13", 25000)
    assert not firewall.admits(machine, "10.20.0.12", 19001)
    assert firewall.admits(machine, "10.20.0.13", 22)


def test_given_rules_when_loaded_again_then_they_are_replaced(site):
    for text in (RULES, RULES.replace("10.20.0.12", "10.20.0.13")):
        site.run(0, "/usr/sbin/nft", "-f", "-", stdin=text)

    assert firewall.admits(site.machine(0), "10.20.0.13", 25000)
    assert not firewall.admits(site.machine(0), "10.20.0.12", 25000)


def test_given_rules_when_cleared_then_all_are_let_in(site):
    site.run(0, "/usr/sbin/nft", "-f", "-", stdin=RULES)

    site.run(0, "/usr/sbin/nft", "-f", "-", stdin="table inet edge\ndelete table inet edge\n")

    assert firewall.admits(site.machine(0), "10.20.0.99", 25000)


def test_given_rules_when_rebooted_then_they_are_gone(site):
    site.run(0, "/usr/sbin/nft", "-f", "-", stdin=RULES)
    site.machine(0).reboot()

    assert site.run(0, "/usr/sbin/nft", "list", "ruleset").stdout == ""


def test_given_exclusion_when_matched_then_it_turns_around(site):
    rule = "ip saddr != 10.0.0.1 tcp dport 25000 reject"
    chain = f"type filter hook input priority 0;\n{rule}\n"
    rules = f"table inet x {{\nchain i {{\n{chain}}}\n}}\n"
    site.run(0, "/usr/sbin/nft", "-f", "-", stdin=rules)

    assert firewall.admits(site.machine(0), "10.0.0.1", 25000)
    assert not firewall.admits(site.machine(0), "10.0.0.2", 25000)


def test_given_table_when_listed_and_deleted_by_words_then_it_goes(site):
    site.run(0, "/usr/sbin/nft", "-f", "-", stdin=RULES)
    shown = site.run(0, "/usr/sbin/nft", "list", "table", "inet", "edge").stdout

    site.run(0, "/usr/sbin/nft", "delete", "table", "inet", "edge")

    assert "dport { 19001, 25000 } drop" in shown
    assert site.run(0, "/usr/sbin/nft", "list", "table", "inet", "edge").returncode == 1
    assert site.run(0, "/usr/sbin/nft", "frobnicate").returncode == 1


def test_given_unbalanced_rules_when_loaded_or_checked_then_nft_refuses(site):
    assert site.run(0, "/usr/sbin/nft", "-f", "-", stdin="table inet x {").returncode == 1
    assert site.run(0, "/usr/sbin/nft", "-c", "-f", "-", stdin="table inet x {").returncode == 1
    assert site.run(0, "/usr/sbin/nft", "-c", "-f", "-", stdin=RULES).returncode == 0
    assert site.machine(0).nft == {}


def test_given_rules_in_a_file_when_loaded_then_they_count(site):
    site.host(0).write("/etc/rules.nft", RULES)

    site.run(0, "/usr/sbin/nft", "-f", "/etc/rules.nft")

    assert not firewall.admits(site.machine(0), "10.20.0.13", 25000)


def test_given_host_name_when_set_then_it_is_another(site):
    assert site.run(0, "/usr/bin/hostname").stdout == "pi-0\n"
    site.run(0, "/usr/bin/hostname", "other")
    assert site.run(0, "/usr/bin/hostname").stdout == "other\n"


def test_given_running_node_when_addresses_are_asked_then_those_of_pods_are_among_them(single):
    single.machine(0).extra_addresses = ["fd00::1"]

    assert single.run(0, "/usr/bin/hostname", "-I").stdout == "10.20.0.11 fd00::1 10.1.0.1 \n"


def test_given_node_when_listening_ports_are_listed_then_its_daemons_are_among_them(single):
    single.machine(0).foreign_ports = [8080]

    text = single.run(0, "/usr/bin/ss", "-H", "-ltn").stdout

    assert all(f":{port} " in text for port in (16443, 25000, 19001, 10250, 8080, 22))


def test_given_container_when_kernel_settings_are_applied_then_they_are_refused_quietly(site):
    site.world.add_machine("c", container_of="0")

    result = site.run("c", "/usr/sbin/sysctl", "--system")

    assert result.returncode == 0 and "permission denied" in result.stderr


def test_given_sudo_when_used_then_the_command_runs(site):
    assert site.run(0, "/usr/bin/sudo", "-n", "/usr/bin/hostname").stdout == "pi-0\n"
    assert site.run(0, "/usr/bin/sudo", "/usr/bin/snap", "list", "x").returncode == 1


def test_given_reboot_when_run_then_the_machine_boots_anew(site):
    site.run(0, "/usr/sbin/reboot")

    assert site.machine(0).boots == 2


def test_given_agent_s_command_when_run_directly_then_it_is_accepted(site):
    assert site.run(0, "/usr/bin/juju-exec", "-u", "a/0", "--", "true").returncode == 0
