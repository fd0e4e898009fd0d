"""What an effect knows while it is carried out, and how it says that it did not succeed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from edgecloud import host
from edgecloud.agent import settings as machine_settings
from edgecloud.rollout import plan, route, state


class EffectError(Exception):
    """An effect did not succeed.

    ``burns`` if the artefact itself is to blame; ``passes`` if what is in the way goes by itself.
    """

    def __init__(self, reason: str, *, burns: bool = False, passes: bool = False):
        super().__init__(reason)
        self.burns, self.passes = burns, passes


class NotYetError(Exception):
    """An effect goes on without this program, and is asked after again at the next wake-up."""


@dataclass(frozen=True)
class Context:
    """One machine, one step of one plan."""

    machine: host.Host
    settings: machine_settings.Settings
    plan: plan.Plan
    node: state.Node
    work: route.Work
    sleep: Callable[[float], None] = time.sleep

    def await_reboot(self) -> NoReturn:
        """Wait for the reboot that was asked for, which ends this program."""
        self.sleep(self.plan.deadlines.boot_s)
        raise EffectError("the machine did not reboot")


@dataclass(frozen=True)
class Look:
    """What a machine says of the one thing that a step changes."""

    running: str = ""
    default: str = ""
    staged: str = ""
    version: str = ""
    pending: bool = False
    undone: bool = False
    busy: str = ""
    """Somebody else's operation on the same thing."""


@dataclass(frozen=True)
class Driver:
    """How one kind of step is done; each function may be called again after a power cut."""

    look: Callable[[Context], Look]
    check: Callable[[Context], None]
    stage: Callable[[Context], None]
    back_up: Callable[[Context], None]
    apply: Callable[[Context], None]
    roll_back: Callable[[Context], None]
    reboot: Callable[[Context], None]
    commit: Callable[[Context], None]


def nothing(context: Context) -> None:
    """Do nothing, because this kind of step has nothing to do here."""
