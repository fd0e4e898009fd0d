import pytest

from edgelab import juju_commands, walkthrough

PAGE = """# A page

<!-- lab: juju deploy ./bundles/small.yaml -->
<!-- lab: juju status -->

1. Set it:

   ```sh
   juju config greeter-a \\
     greeting=bye
   juju config greeter-a greeting
   ```

   ```text
   SHOWN
   ```

Then look.
"""


@pytest.fixture
def shell(make_bundle, tmp_path):
    make_bundle()
    with walkthrough.model_in_order(tmp_path / "model") as juju:
        yield juju_commands.Shell(juju, tmp_path)


def test_given_a_page_when_run_then_it_shows_what_is_printed_and_else_stays(shell):
    assert walkthrough.rewritten(PAGE, shell) == PAGE.replace("SHOWN", "bye")


def test_given_an_empty_block_when_run_then_it_is_filled(shell):
    page = PAGE.replace("   SHOWN\n", "")

    assert walkthrough.rewritten(page, shell) == PAGE.replace("SHOWN", "bye")


def test_given_a_block_in_another_language_when_run_then_it_is_left_alone(shell):
    page = "```yaml\nmake: it\n```\n\n```text\nas it was\n```\n"

    assert walkthrough.rewritten(page, shell) == page


def test_given_a_fault_when_run_then_it_happens(shell):
    walkthrough.rewritten(PAGE + "<!-- lab: power-off:1@0 -->\n", shell)

    assert not shell.juju.world.machines["1"].powered


def test_given_a_command_that_fails_when_run_then_the_page_does(shell):
    with pytest.raises(juju_commands.CommandError):
        walkthrough.rewritten("```sh\njuju explode\n```\n", shell)


def test_given_a_page_when_read_then_its_commands_are_whole_lines():
    assert walkthrough.commands_of(PAGE) == [
        "juju config greeter-a greeting=bye",
        "juju config greeter-a greeting",
    ]


def test_given_a_file_when_written_anew_then_it_holds_what_is_printed(
    make_bundle, tmp_path, monkeypatch
):
    make_bundle()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.md").write_text(PAGE)

    assert walkthrough.main([str(tmp_path / "page.md")]) == 0

    assert (tmp_path / "page.md").read_text() == PAGE.replace("SHOWN", "bye")


def test_given_a_page_when_run_then_the_first_unit_leads(shell):
    walkthrough.rewritten(PAGE, shell)

    assert shell.juju.applications["greeter-a"].leader == "greeter-a/0"


def test_given_a_wait_when_a_page_is_run_then_virtual_time_passes(shell):
    before = shell.juju.clock.now()

    walkthrough.do_aside(shell, "wait 1800")

    assert shell.juju.clock.now() >= before + 1800
