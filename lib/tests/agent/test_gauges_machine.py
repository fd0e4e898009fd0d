"""What a machine tells of its board, its storage and its software."""

import pytest

from edgecloud.agent.gauges import board, software, writing
from edgelab import pi
from edgelab.pi import board as boards
from edgelab.pi import certificates
from tests.agent import exposed

FIRMWARE = "/lib/firmware/raspberrypi"


def page(machine):
    """Return what is told when nothing is known from before."""
    machine.host().remove("/run/edge-agent/gauges.json")
    assert writing.write(machine.host())
    return exposed.Page(machine.host().read(writing.TEXTFILE))


# --- the board ---------------------------------------------------------------------------------


def test_given_a_board_when_told_then_its_model_is(pi_0):
    assert page(pi_0).value("edge_board_info", model="Raspberry Pi 5 Model B Rev 1.0") == 1


def test_given_a_good_supply_when_told_then_every_fault_is_denied(pi_0):
    told = page(pi_0).labelled("edge_power_fault")

    assert len(told) == 8
    assert not any(value for _, value in told)


@pytest.mark.parametrize(("now", "expected"), [(True, 1), (False, 0)])
def test_given_under_voltage_when_told_then_now_and_since_boot_are_apart(pi_0, now, expected):
    boards.sag(pi_0, now=now)

    told = page(pi_0)

    assert told.value("edge_power_fault", fault="under_voltage", since="now") == expected
    assert told.value("edge_power_fault", fault="under_voltage", since="boot") == 1
    assert told.value("edge_power_fault", fault="throttled", since="boot") == 0


@pytest.mark.parametrize(
    ("bit", "fault", "since"),
    [
        (0, "under_voltage", "now"),
        (1, "frequency_capped", "now"),
        (2, "throttled", "now"),
        (3, "soft_temperature_limit", "now"),
        (16, "under_voltage", "boot"),
        (17, "frequency_capped", "boot"),
        (18, "throttled", "boot"),
        (19, "soft_temperature_limit", "boot"),
    ],
)
def test_given_one_bit_when_told_then_it_is_that_fault_and_no_other(pi_0, bit, fault, since):
    pi_0.host().write(boards.THROTTLED, f"{1 << bit:#x}\n")

    found = [labels for labels, value in page(pi_0).labelled("edge_power_fault") if value]

    assert found == [{"fault": fault, "since": since}]


@pytest.mark.parametrize("soc", ["soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware"])
def test_given_no_program_of_the_firmware_when_told_then_its_file_is_read(pi_0, soc):
    pi_0.host().remove("/usr/bin/vcgencmd")
    pi_0.host().write(f"/sys/devices/platform/{soc}/get_throttled", "50005\n")

    told = page(pi_0)

    assert told.value("edge_power_fault", fault="under_voltage", since="now") == 1
    assert told.value("edge_power_fault", fault="throttled", since="boot") == 1
    assert told.value("edge_power_fault", fault="frequency_capped", since="boot") == 0


def test_given_a_firmware_that_cannot_be_asked_when_told_then_no_fault_is_denied(pi_0):
    pi_0.faults.add(pi.Fault(("vcgencmd",), pi.fail(255, "error"), times=0))

    assert "edge_power_fault" not in page(pi_0).names()


@pytest.mark.parametrize("celsius", [81.2, -12.5])
def test_given_heat_or_frost_when_told_then_it_is_in_degrees(pi_0, celsius):
    boards.heat(pi_0, celsius)

    assert page(pi_0).value("edge_temperature_celsius") == celsius


def test_given_a_battery_when_told_then_it_is_in_volts(pi_0):
    boards.run_battery_down(pi_0, 1.9)

    assert page(pi_0).value("edge_rtc_battery_volts") == 1.9


def test_given_a_pi_4_when_told_then_it_has_no_battery(pi_0):
    machine = pi_0.world.add_machine("1", model="Raspberry Pi 4 Model B Rev 1.5")

    assert "edge_rtc_battery_volts" not in page(machine).names()


@pytest.mark.parametrize(
    ("model", "images", "options", "expected"),
    [
        ("Raspberry Pi 5 Model B", [], "", 0),
        ("Raspberry Pi 5 Model B", ["bootloader-2712/default/pieeprom-2025-02-11.bin"], "", 0),
        ("Raspberry Pi 5 Model B", ["bootloader-2712/default/pieeprom-2025-02-12.bin"], "", 1),
        # The other board's, another channel's, and what is no image at all do not count.
        ("Raspberry Pi 5 Model B", ["bootloader-2711/default/pieeprom-2025-08-13.bin"], "", 0),
        ("Raspberry Pi 5 Model B", ["bootloader-2712/latest/pieeprom-2025-08-13.bin"], "", 0),
        ("Raspberry Pi 5 Model B", ["bootloader-2712/default/pieeprom-newest.bin"], "", 0),
        ("Raspberry Pi 4 Model B", ["bootloader-2711/default/pieeprom-2025-08-13.bin"], "", 1),
        (
            "Raspberry Pi 5 Model B",
            ["bootloader-2712/latest/pieeprom-2025-08-13.bin"],
            '# comment\nFIRMWARE_RELEASE_STATUS="latest"\n',
            1,
        ),
    ],
)
def test_given_images_when_told_then_only_those_count_that_would_be_written(
    pi_0, model, images, options, expected
):
    machine = pi_0.world.add_machine("1", model=model)
    for image in images:
        machine.host().write(f"{FIRMWARE}/{image}", "")
    machine.host().write(board.EEPROM_OPTIONS, options)

    told = page(machine)

    assert told.value("edge_eeprom_update_available") == expected
    assert told.value("edge_eeprom_build_timestamp_seconds") == 1739275200


def test_given_a_pi_3_when_told_then_it_is_not_asked_for_a_boot_loader(pi_0, capsys):
    machine = pi_0.world.add_machine("1", model="Raspberry Pi 3 Model B Plus Rev 1.3")

    told = page(machine)

    assert not any(name.startswith("edge_eeprom") for name in told.names())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("said", "built"),
    [
        ("2023/01/11 17:40:52\nversion 8ba1 (release)\ntimestamp 1673458852\n", 1673458852),
        ("2023/01/11 17:40:52\nversion 8ba1 (release)\ntimestamp 0\n", 1673458852),
        ("2020/04/16 17:11:26\nversion a5e1b95 (release)\n", 1587057086),
        ("unknown\n", None),
    ],
)
def test_given_old_and_new_boot_loaders_when_asked_then_their_date_is_understood(said, built):
    found = board.built(said)

    assert (found and found.timestamp()) == built


# --- storage -----------------------------------------------------------------------------------


def test_given_worn_memory_when_told_then_each_area_and_the_spares_are(pi_0):
    boards.wear(pi_0, life=(3, 11), spare=2)

    told = page(pi_0)

    assert told.value("edge_flash_life_used_ratio", device="mmcblk0", area="a") == 0.3
    assert told.value("edge_flash_life_used_ratio", device="mmcblk0", area="b") == 1.1
    assert told.value("edge_flash_end_of_life", device="mmcblk0") == 2


def test_given_a_card_when_told_then_nobody_pretends_to_know_its_wear(pi_0):
    assert not any(name.startswith("edge_flash") for name in page(pi_0).names())


def test_given_a_maker_who_does_not_say_when_told_then_zero_is_not_taken_for_new(pi_0):
    boards.wear(pi_0, life=(0, 1), spare=0)

    told = page(pi_0)

    assert [each for each, _ in told.labelled("edge_flash_life_used_ratio")] == [
        {"device": "mmcblk0", "area": "b"}
    ]
    assert "edge_flash_end_of_life" not in told.names()


def test_given_a_file_system_when_told_then_writes_are_bytes_and_errors_are_counted(pi_0):
    boards.wear_file_system(pi_0, kilobytes=2_000_000, errors=3)

    told = page(pi_0)

    assert told.value("edge_ext4_written_bytes_total", device="mmcblk0p2") == 2_048_000_000
    assert told.value("edge_ext4_errors_total", device="mmcblk0p2") == 3


def test_given_one_device_with_rubbish_when_told_then_the_others_are(pi_0):
    boards.wear(pi_0, life=(1, 1))
    pi_0.host().write("/sys/block/mmcblk1/device/life_time", "none\n")
    pi_0.host().write("/sys/fs/ext4/sda1/errors_count", "\n")
    pi_0.host().path("/sys/fs/ext4/sda2/errors_count").mkdir(parents=True)

    told = page(pi_0)

    assert told.value("edge_flash_life_used_ratio", device="mmcblk0", area="a") == 0.1
    assert [each for each, _ in told.labelled("edge_ext4_errors_total")] == [
        {"device": "mmcblk0p2"}
    ]


# --- software ----------------------------------------------------------------------------------


def install(machine, *words):
    machine.host().run(("/usr/bin/snap", "install", *words), timeout_s=900)


def test_given_snaps_when_told_then_each_is_with_its_revision_and_hold(pi_0):
    install(pi_0, "lxd", "--channel=latest/stable")
    install(pi_0, "snapd")
    pi_0.host().run(("/usr/bin/snap", "refresh", "--hold", "lxd"), timeout_s=60)

    told = page(pi_0)

    lxd = pi_0.snaps["lxd"]
    facts = {"version": lxd.version, "revision": lxd.revision, "channel": "latest/stable"}
    assert told.value("edge_snap_info", snap="lxd", **facts) == 1
    assert told.value("edge_snap_held", snap="lxd") == 1
    assert told.value("edge_snap_held", snap="snapd") == 0


@pytest.mark.parametrize(
    ("until", "expected"),
    [("forever", 1), ("2030-01-01T00:00:00Z", 1), ("2020-01-01T00:00:00Z", 0), ("", 0)],
)
def test_given_a_hold_of_all_snaps_when_told_then_it_counts_while_it_lasts(pi_0, until, expected):
    install(pi_0, "lxd")
    pi_0.host().run(("/usr/bin/snap", "set", "system", f"refresh.hold={until}"), timeout_s=60)

    assert page(pi_0).value("edge_snap_held", snap="lxd") == expected


def test_given_a_snap_from_a_file_when_told_then_snapd_leaves_it_as_it_is(pi_0):
    pi_0.host().write("/root/site_1.snap", "name: site\nversion: 1.0\narch: arm64\n")
    install(pi_0, "--dangerous", "/root/site_1.snap")

    told = page(pi_0)

    assert told.value("edge_snap_held", snap="site") == 1
    assert told.value("edge_snap_info", snap="site", version="1.0", revision="x1", channel="") == 1


def test_given_no_snapd_when_told_then_no_snap_is(pi_0, capsys):
    pi_0.host().remove("/usr/bin/snap")

    assert "edge_snap_info" not in page(pi_0).names()
    assert capsys.readouterr().err == ""


def test_given_packages_that_ask_for_a_reboot_when_told_then_it_is(pi_0):
    before = page(pi_0).value("edge_reboot_required")
    pi_0.host().write(software.REBOOT, "*** System restart required ***\n")

    assert (before, page(pi_0).value("edge_reboot_required")) == (0, 1)


def test_given_a_control_plane_when_told_then_its_certificates_end_when_they_do(pi_0):
    installed = pi_0.now()
    install(pi_0, "microk8s", "--classic", "--channel=1.35/stable")

    told = page(pi_0)

    year = told.value("edge_certificate_expiry_timestamp_seconds", certificate="server")
    assert year == pytest.approx(installed + 365 * 86400, abs=600)
    for name in ("ca", "front-proxy-client"):
        assert told.value("edge_certificate_expiry_timestamp_seconds", certificate=name)


def test_given_microk8s_and_lxd_when_told_then_their_servers_are_not_mixed_up(pi_0):
    install(pi_0, "microk8s", "--classic", "--channel=1.35/stable")
    certificates.issue(pi_0, "server.crt", 10)
    for name in ("server", "cluster"):
        text = pi_0.host().read("/var/snap/microk8s/current/certs/ca.crt")
        pi_0.host().write(f"{software.LXD}/{name}.crt", text)

    told = page(pi_0)

    ends = {
        labels["certificate"]: value
        for labels, value in told.labelled("edge_certificate_expiry_timestamp_seconds")
    }
    assert ends["server"] == pytest.approx(pi_0.now() + 10 * 86400, abs=60)
    assert ends["lxd-server"] == ends["cluster"] == ends["ca"]
