"""``python -m edgecloud.twin``: a saved inventory and a plan in, a report out."""

import json

import pytest

from edgecloud.rollout import plan
from edgecloud.twin import __main__ as command
from edgecloud.twin import saved
from tests.rollout import sites

SITE = sites.frozen(sites.planes("a", "b", "c"))


@pytest.fixture
def twin(tmp_path, capsys):
    def run(*more, inventory=None, **changes):
        accepted = sites.make(canary={"soak": "1h"}, **changes)
        (tmp_path / "site.json").write_text(inventory or saved.write(SITE))
        (tmp_path / "plan.json").write_text(plan.canonical(accepted))
        words = [str(tmp_path / "site.json"), str(tmp_path / "plan.json")]
        code = command.main([*words, "--start", "2030-01-10T12:00:00Z", *more])
        return code, *capsys.readouterr()

    return run


def test_given_a_sound_plan_when_asked_then_it_is_said_in_words(twin):
    code, out, _ = twin()

    assert code == 0
    assert out.startswith("verdict: nothing speaks against it\n")
    assert "unavailable at once: 1 by upgrades alone" in out


def test_given_json_when_asked_for_then_the_report_is_an_object(twin):
    code, out, _ = twin("--json", "--seed", "7")

    report = json.loads(out)
    assert (code, report["of"]["seed"], report["verdict"]) == (0, 7, "")


def test_given_a_plan_that_cannot_end_when_asked_then_the_code_says_so(twin):
    code, out, _ = twin(inventory=saved.write(sites.frozen(sites.planes("a", "b"))))

    assert code == 1
    assert "without any fault it ends expired" in out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"members": []}', "not an empty one"),
        ('{"members": [{"name": "a", "mood": 1}], "x": 1}', "x: unknown field; members[0].mood"),
        ('{"members": [3]}', "members[0]: must be an object with a name"),
        ('{"members": [{"name": "a"}], "budgets": {"a": "web"}}', "budgets: must be lists"),
    ],
)
def test_given_a_text_that_is_no_inventory_when_read_then_it_says_why(twin, text, why):
    code, out, err = twin(inventory=text)

    assert (code, out) == (2, "")
    assert why in err


def test_given_a_plan_that_does_not_fit_the_site_when_asked_then_it_says_why(twin):
    code, _, err = twin(targets=sites.kubernetes("1.36"))

    assert code == 2
    assert "must pass 1.35" in err


def test_given_an_inventory_when_written_and_read_then_it_is_the_same():
    assert saved.read(saved.write(SITE)).members == SITE
