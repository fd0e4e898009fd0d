import dataclasses

from edgecloud.telemetry import daemons

STORE = daemons.Daemon(
    name="store",
    purpose="Keeps things",
    command=("/usr/bin/store", "-at=%d/file", "-to=%S/store", "-match=^(a|b) 100%$"),
    secrets={"file": "/etc/secret", "another": "/etc/other"},
    memory_mb=100,
)


def lines(daemon, fingerprint=""):
    return daemons.unit(daemon, fingerprint).splitlines()


def test_given_a_daemon_when_written_then_systemd_reads_its_words_back_as_they_are():
    command = next(line for line in lines(STORE) if line.startswith("ExecStart="))

    assert command == ('ExecStart=/usr/bin/store -at=%d/file -to=%S/store "-match=^(a|b) 100%%$$"')


def test_given_secrets_when_written_then_only_their_paths_are_in_the_unit():
    assert [line for line in lines(STORE) if "Credential" in line] == [
        "LoadCredential=another:/etc/other",
        "LoadCredential=file:/etc/secret",
    ]


def test_given_variables_when_written_then_the_unit_sets_them_and_reads_the_others_from_a_file():
    daemon = dataclasses.replace(
        STORE, environment={"B": "2", "A": "1"}, environment_file="/etc/x"
    )

    assert [line for line in lines(daemon, "0123") if line.startswith("Environment")] == [
        "Environment=A=1",
        "Environment=B=2",
        "Environment=EDGE_FILES=0123",
        "EnvironmentFile=/etc/x",
    ]


def test_given_a_daemon_when_written_then_it_has_neither_rights_nor_a_user_of_this_machine():
    unit = lines(STORE)

    assert {
        "DynamicUser=yes",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateDevices=yes",
        "MemoryMax=100M",
        "MemoryHigh=90M",
        "Restart=always",
    } <= set(unit)


def test_given_one_that_looks_at_the_machine_when_written_then_it_has_few_rights_but_no_walls():
    unit = lines(daemons.Daemon("look", "Looks", ("/usr/bin/look",), user="prometheus"))

    assert {"User=prometheus", "CapabilityBoundingSet=", "NoNewPrivileges=yes"} <= set(unit)
    # Behind any of these, systemd shows it another tree of mounts.
    assert not [line for line in unit if line.startswith(("Dynamic", "Protect", "Private"))]


def test_given_a_file_that_changed_when_ensured_then_the_daemon_is_started_anew(raspberry):
    seen = [daemons.ensure(raspberry, STORE, mark) for mark in ("a", "a", "b")]

    assert seen == [True, False, True]
    assert daemons.remove(raspberry, "store") is True
    assert daemons.remove(raspberry, "store") is False
