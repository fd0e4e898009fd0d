"""A page of the documentation, told on a model that is up; and what agents did meanwhile."""

import pytest

from edgecloud.agent import journal
from edgecloud.rollout import state
from edgelab import cli, story, timeline, upgrades

PAGE = """\
# A page

<!-- lab: juju deploy ./bundles/none.yaml -->

## Say it

```sh
juju config greeter-a greeting=loud
juju status
juju run greeter-a/0 shout
```

<!-- lab: power-off:1@0 -->
"""


@pytest.fixture
def told(settled):
    said = []
    story.tell(settled, PAGE, settled.folder, said.append)
    return said


def test_given_a_page_when_told_then_headings_and_commands_are_shown_in_order(told):
    assert [line for line in told if line.startswith(("\n==", "$"))] == [
        "\n== Say it",
        "$ juju config greeter-a greeting=loud",
        "$ juju status",
        "$ juju run greeter-a/0 shout",
    ]


def test_given_a_page_when_told_then_what_it_types_is_done(told, settled):
    assert settled.units["greeter-a/0"].status.message == "loud"
    assert not settled.world.machines["1"].powered


def test_given_a_command_that_fails_when_told_then_the_story_ends_with_the_reason(settled):
    page = "```sh\njuju run greeter-a/0 whisper\n```\n"

    with pytest.raises(story.StoryError, match="whisper"):
        story.tell(settled, page, settled.folder, lambda line: None)


def test_given_a_page_without_commands_when_read_then_it_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Nothing to type\n")

    with pytest.raises(story.StoryError, match="no commands"):
        story.read(page)


def test_given_no_such_page_when_a_bundle_is_deployed_then_it_is_refused_first(
    capsys, make_bundle, tmp_path
):
    code = cli.main(["up", str(make_bundle()), "--story", str(tmp_path / "none.md")])

    out, err = capsys.readouterr()
    assert (code, out) == (cli.EXIT_REFUSED, "")
    assert "none.md" in err


def test_given_a_page_when_a_bundle_is_deployed_then_it_is_told_afterwards(
    capsys, make_bundle, tmp_path
):
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    code = cli.main(["up", str(make_bundle()), "--story", str(page)])

    assert code == 0
    assert "$ juju run greeter-a/0 shout" in capsys.readouterr().out


def test_given_an_agents_journal_when_shown_then_its_states_are_a_lane(settled):
    host = settled.world.machines["0"].host()
    began = int(settled.clock.now())
    for at, name in ((0, "staging"), (20, "draining"), (50, "rolling-back"), (80, "rolled-back")):
        journal.Journal(host).append(began + at, state.Node("pi-1", state.State(name)), "test")
    settled.advance(600)

    (lane,) = upgrades.lanes(settled, timeline.build(settled.record))

    assert lane.unit == "upgrade of pi-1"
    assert [span.kind for span in lane.spans] == ["prepared", "disturbed", "back"]
    assert "◀" in timeline.bar(lane, 400)


def test_given_no_agents_when_shown_then_there_is_no_lane(settled):
    assert upgrades.lanes(settled, timeline.build(settled.record)) == ()
