"""A trial rests on the boot loader: one too old for it is refused unless a plan accepts it."""

import contextlib
import types

import pytest

from edgecloud.agent import boot_loader
from edgecloud.agent.context import EffectError
from tests.rollout import sites

OS = {"kind": "ab-image", "version": "2", "ref": "os@sha256:" + "0" * 64}


class Board:
    """A machine whose firmware tells what it is."""

    def __init__(self, said):
        self.said = said

    def run(self, argv, *, timeout_s):
        assert timeout_s
        return types.SimpleNamespace(stdout=self.said)


@pytest.mark.parametrize(
    ("said", "accepts", "refused"),
    [
        ("2025/05/08 10:00:00\nversion 1\n", False, True),
        ("2025/05/08 10:00:00\nversion 1\n", True, False),
        ("2025/08/13 10:00:00\nversion 1\n", False, False),
        ("", False, False),
    ],
)
def test_given_an_old_boot_loader_when_checked_then_the_plan_decides(said, accepts, refused):
    accepted = sites.make(targets={"os": {**OS, "accept-old-eeprom": accepts}})
    context = types.SimpleNamespace(machine=Board(said), plan=accepted)

    expected = pytest.raises(EffectError, match="2025-05-08 is older") if refused else None

    with expected or contextlib.nullcontext():
        boot_loader.check(context)
