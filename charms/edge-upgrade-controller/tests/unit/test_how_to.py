"""What the how-to tells operators to write is accepted."""

import pathlib
import re

import yaml

from edgecloud.rollout import plan

PAGE = pathlib.Path(__file__).parents[4] / "docs" / "how-to" / "upgrade-a-site.md"


def test_given_the_plan_of_the_how_to_when_read_then_it_is_a_plan_with_its_gates():
    first, gates = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    found = plan.read({**yaml.safe_load(first), **yaml.safe_load(gates)})

    assert [gate.name for gate in found.gates] == ["calm", "nodes-up"]
    assert found.targets.kubernetes.to == "1.35"
