import re

import pytest

from edgelab import juju_commands, model
from edgelab.model import entities


@pytest.fixture
def shell(make_bundle, tmp_path):
    make_bundle()
    with model.Model(tmp_path / "model") as juju:
        yield juju_commands.Shell(juju, tmp_path)


@pytest.fixture
def site(shell):
    shell.run("juju deploy ./bundles/small.yaml")
    shell.run("juju status")
    return shell


@pytest.mark.parametrize(
    "command",
    [
        "make microcloud",
        "juju",
        "juju ssh greeter-a/0 true",
        "juju status --format=json",
        "juju add-unit",
        "juju deploy ./bundles/small.yaml --dry-run",
    ],
)
def test_given_a_command_unknown_here_when_run_then_it_is_refused_and_not_ignored(shell, command):
    with pytest.raises(juju_commands.CommandError):
        shell.run(command)


def test_given_a_comment_when_run_then_nothing_happens(shell):
    assert shell.run("# look around first") == ""


def test_given_a_bundle_when_deployed_then_the_status_shows_its_units(shell):
    shell.run("juju deploy ./bundles/small.yaml")

    shown = shell.run("juju status")

    assert re.search(r"greeter-a/0\*? +active +idle +0 +10\.20\.0\.11 +hello", shown)


def test_given_no_such_bundle_when_deployed_then_the_problem_is_told(shell):
    with pytest.raises(juju_commands.CommandError, match=r"none\.yaml"):
        shell.run("juju deploy ./bundles/none.yaml")


def test_given_machines_when_mapped_then_the_bundle_lands_on_them(shell):
    shell.run("juju add-machine ssh:ubuntu@kitchen.local")
    shell.run("juju add-machine ssh:ubuntu@cellar.local")

    shell.run("juju deploy ./bundles/small.yaml --map-machines=existing")

    assert [machine.hostname for machine in shell.juju.world.machines.values()] == [
        "kitchen",
        "cellar",
    ]


def test_given_too_few_machines_when_mapped_then_it_is_refused(shell):
    shell.run("juju add-machine ssh:ubuntu@kitchen.local")

    with pytest.raises(juju_commands.CommandError, match="no machine 1 to map"):
        shell.run("juju deploy ./bundles/small.yaml --map-machines=existing")


@pytest.mark.parametrize("placement", ["lxd:0", "ssh:", "zone=a"])
def test_given_another_placement_when_a_machine_is_added_then_it_is_refused(shell, placement):
    with pytest.raises(juju_commands.CommandError, match="ssh:USER@HOST"):
        shell.run(f"juju add-machine {placement}")


def test_given_a_machine_was_removed_when_one_is_added_then_its_number_is_new(shell):
    shell.run("juju add-machine ssh:ubuntu@kitchen.local")
    shell.run("juju remove-machine 0 --no-prompt")

    assert shell.run("juju add-machine ssh:ubuntu@cellar.local") == "created machine 1"


def test_given_a_machine_in_use_when_removed_then_it_is_refused(site):
    with pytest.raises(juju_commands.CommandError, match="still has greeter-a/1"):
        site.run("juju remove-machine 1")


def test_given_a_machine_that_is_not_there_when_removed_then_it_is_refused(site):
    with pytest.raises(juju_commands.CommandError, match="no machine 9"):
        site.run("juju remove-machine 9")


def test_given_places_when_units_are_added_then_they_go_there(site):
    site.run("juju add-unit greeter-a -n 2 --to 1")

    assert site.juju.units["greeter-a/2"].machine == "1"
    assert site.juju.units["greeter-a/3"].machine == "2"


@pytest.mark.parametrize("arguments", ["greeter-a --to 7", "greeter-a --to 0,1", "nobody"])
def test_given_what_cannot_be_when_units_are_added_then_it_is_refused(site, arguments):
    with pytest.raises(juju_commands.CommandError):
        site.run(f"juju add-unit {arguments}")


def test_given_a_unit_when_removed_then_it_is_gone_from_the_status(site):
    site.run("juju remove-unit greeter-a/0 --no-prompt")

    assert "greeter-a/0" not in site.run("juju status")


def test_given_a_dead_machine_when_its_unit_is_forced_out_then_it_is_gone_at_once(site):
    site.juju.power_off("1")

    site.run("juju remove-unit greeter-a/1 --force --no-wait --no-prompt")

    assert "greeter-a/1" not in site.juju.units


def test_given_no_force_when_told_not_to_wait_then_it_is_refused(site):
    with pytest.raises(juju_commands.CommandError, match="without --force"):
        site.run("juju remove-unit greeter-a/1 --no-wait")


def test_given_an_application_when_removed_then_its_units_are_on_their_way_out(site):
    site.run("juju remove-application greeter-a --no-prompt")

    assert {unit.life for unit in site.juju.units.values()} == {entities.Life.DYING}


def test_given_an_option_when_set_then_units_have_it_and_it_can_be_read_back(site):
    site.run("juju config greeter-a greeting='good morning'")

    assert site.run("juju config greeter-a greeting") == "good morning"
    assert "good morning" in site.run("juju status")


def test_given_a_model_that_finds_no_rest_when_its_status_is_asked_for_then_it_is_told(site):
    site.run("juju config greeter-a greeting=fail")

    with pytest.raises(juju_commands.CommandError, match="do not converge"):
        site.run("juju status")


def test_given_an_option_that_was_set_when_reset_then_it_has_its_default(site):
    site.run("juju config greeter-a greeting=bye")

    assert site.run("juju config greeter-a --reset greeting") == ""
    assert site.run("juju config greeter-a greeting") == "hello"


@pytest.mark.parametrize("arguments", ["greeter-a nothing=1", "nobody greeting=hi"])
def test_given_an_unknown_option_or_application_when_set_then_it_is_refused(site, arguments):
    with pytest.raises(juju_commands.CommandError):
        site.run(f"juju config {arguments}")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "7", 7),
        ("int", "many", "many"),
        ("float", "0.5", 0.5),
        ("boolean", "True", True),
        ("boolean", "maybe", "maybe"),
        ("string", "7", "7"),
    ],
)
def test_given_a_text_when_it_is_an_option_then_its_type_decides(kind, text, value):
    assert juju_commands.option(kind, text) == value


def test_given_an_action_when_run_then_its_results_are_yaml(site):
    assert site.run("juju run greeter-a/0 shout") == "{}"


def test_given_an_action_that_fails_when_run_then_it_says_why(site):
    site.juju.power_off("0")

    with pytest.raises(juju_commands.CommandError, match="action shout"):
        site.run("juju run greeter-a/0 shout")


def test_given_text_of_several_lines_when_results_are_shown_then_they_stay_lines():
    assert juju_commands.results({"report": "one\ntwo"}) == "report: |-\n  one\n  two"


def test_given_a_secret_when_granted_then_the_application_may_read_it(site):
    id = site.run("juju add-secret registries user=pi")

    site.run("juju grant-secret registries greeter-a")

    assert site.juju.secrets[id].grants == {-1: {"greeter-a"}}


def test_given_a_secret_when_not_granted_then_nobody_may_read_it(site):
    id = site.run("juju add-secret registries user=pi")

    assert site.juju.secrets[id].grants == {}


def test_given_a_file_when_a_secret_is_updated_then_it_is_its_new_content(site, tmp_path):
    (tmp_path / "credentials.json").write_text("{}")
    id = site.run("juju add-secret registries credentials=old")

    site.run("juju update-secret registries credentials#file=credentials.json")

    assert site.juju.secrets[id].revisions[2] == {"credentials": "{}"}


def test_given_a_name_in_use_or_unknown_when_a_secret_is_meant_then_it_is_refused(site):
    site.run("juju add-secret registries user=pi")

    with pytest.raises(juju_commands.CommandError, match="already exists"):
        site.run("juju add-secret registries user=pi")
    with pytest.raises(juju_commands.CommandError, match="no secret"):
        site.run("juju grant-secret others greeter-a")
    with pytest.raises(juju_commands.CommandError, match="no application"):
        site.run("juju grant-secret registries nobody")


def test_given_a_charm_when_refreshed_then_its_units_run_upgrade_charm(site):
    site.run("juju refresh greeter-a --path ./dist/pinger_ubuntu-24.04-arm64.charm")
    site.run("juju status")

    assert {hook.unit for hook in site.juju.record.hooks if hook.label == "upgrade-charm"} == {
        "greeter-a/0",
        "greeter-a/1",
    }


@pytest.mark.parametrize(
    "command",
    [
        "juju attach-resource greeter-a image=./image.tar",
        "juju integrate greeter-a nobody",
    ],
)
def test_given_what_the_charm_lacks_when_asked_for_then_the_model_refuses(site, command):
    with pytest.raises(juju_commands.CommandError, match=command.split()[1]):
        site.run(command)
