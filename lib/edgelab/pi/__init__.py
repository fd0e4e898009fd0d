"""Simulated Raspberry Pis, which real charm code drives through ``edgecloud.host``."""

from __future__ import annotations

from edgelab.pi.clock import Clock, RealClock
from edgelab.pi.faults import (
    Effect,
    Fault,
    Faults,
    PowerCut,
    brown_out,
    cut_after,
    cut_before,
    cut_during,
    fail,
    fail_late,
    hang,
    silent_datastore,
    slow,
)
from edgelab.pi.host import PiHost
from edgelab.pi.installing import install
from edgelab.pi.machine import Machine
from edgelab.pi.world import Call, Dispatch, World

__all__ = [
    "Call",
    "Clock",
    "Dispatch",
    "Effect",
    "Fault",
    "Faults",
    "Machine",
    "PiHost",
    "PowerCut",
    "RealClock",
    "World",
    "brown_out",
    "cut_after",
    "cut_before",
    "cut_during",
    "fail",
    "fail_late",
    "hang",
    "install",
    "silent_datastore",
    "slow",
]
