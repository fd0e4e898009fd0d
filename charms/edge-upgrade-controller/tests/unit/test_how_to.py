"""What the how-to tells operators to write is accepted."""

import pathlib
import re

import yaml

from edgecloud.rollout import plan

PAGE = pathlib.Path(__file__).parents[4] / "docs" / "how-to" / "upgrade-a-site.md"


def test_given_the_plan_of_the_how_to_when_read_then_it_is_a_plan_with_its_gates():
    first, link, gates = (
        yaml.safe_load(text)
        for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    )

    found = plan.read({**first, **link, **gates})

    assert [gate.name for gate in found.gates] == ["calm", "nodes-up"]
    assert found.targets.kubernetes.to == "1.35"
    assert (found.limits.staging, found.limits.daily_mib) == (1, 500)
