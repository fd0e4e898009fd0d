"""Tests of measuring a hook against a bare charm."""

import pytest

from bench import hook


class FakeUnit:
    """A unit whose dispatch only counts, and says how often it was frozen before."""

    def __init__(self, code=0):
        self.code = code
        self.events = []

    def dispatch(self, event, *, environment):
        self.events.append(event)
        return self

    @property
    def returncode(self):
        return self.code

    stdout = "said this"
    stderr = ""

    def log(self):
        return ""

    def calls(self):
        return [["is-leader"]]

    def freeze(self):
        self.events.append("freeze")


def subject(name, seconds, commands):
    return hook.Subject(
        name,
        FakeUnit(),
        {},
        calls=[["is-leader"]] * commands,
        times=[seconds] * 3,
        waits=[seconds] * 3,
    )


def test_given_subjects_when_measured_then_only_frozen_turns_count():
    one = hook.Subject("one", FakeUnit(), {})

    hook.measure([one], 3)

    assert one.unit.events == [hook.EVENT] * 2 + ["freeze"] + [hook.EVENT] * 3
    assert len(one.times) == len(one.waits) == 3
    assert one.calls == [["is-leader"]]


def test_given_a_failing_hook_when_measured_then_it_stops_with_its_words():
    with pytest.raises(SystemExit, match="said this"):
        hook.measure([hook.Subject("one", FakeUnit(code=1), {})], 1)


@pytest.mark.parametrize(
    ("seconds", "commands", "met"), [(1.2, 20, True), (1.3, 5, False), (1.0, 21, False)]
)
def test_given_times_when_reported_then_ratio_and_commands_both_count(
    capsys, seconds, commands, met
):
    result = hook.report(subject("bare", 1.0, 4), [subject("it", seconds, commands)])

    assert result is met
    assert ("MISSED" in capsys.readouterr().out) is not met


def test_given_no_packed_charm_when_measured_then_it_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(hook, "ROOT", tmp_path)

    with pytest.raises(SystemExit, match="tox run -e pack"):
        hook.bench("edge-x", 1, verbose=False)
