"""The options of this charm, checked once, with every problem at once."""

from __future__ import annotations

import re
from dataclasses import dataclass

import package_mirror

SIGNING = ("optional", "required")
CLOCKS = ("synchronised", "kept")
FORWARDERS = ("auto", "own", "none")

SMALLEST_BUFFER_MB = 512
"""What the forwarder's files are as large as, so a smaller cap would not hold."""

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_MODULE = re.compile(r"[A-Za-z0-9_-]+")
_OWN = frozenset({"model", "base"})


class OptionError(Exception):
    """Options that cannot be used; says every problem at once."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class NodeOptions:
    """What an operator sets."""

    labels: str = ""
    sign_plans: str = "optional"
    allowed_signers: str = ""
    clock: str = "synchronised"
    modules: str = ""
    hold_snaps: bool = True
    slot_a: str = ""
    slot_b: str = ""
    slot_boot: str = "/boot/firmware"
    lamp: str = ""
    buffer_mb: int = 512
    forwarder: str = "auto"
    apt_mirror: str = ""
    apt_suites: str = ""
    apt_components: str = ""
    apt_keyring: str = ""
    metered: bool = False

    def __post_init__(self) -> None:
        problems = [
            *_choice("sign-plans", self.sign_plans, SIGNING),
            *_choice("clock", self.clock, CLOCKS),
            *_choice("forwarder", self.forwarder, FORWARDERS),
            *self._label_problems(),
            *self._slot_problems(),
            *self._mirror.problems(),
        ]
        problems += [f"modules: {m!r} is no module" for m in self.module_names if _is_odd(m)]
        if self.sign_plans == "required" and not self.signers:
            problems.append("sign-plans: needs allowed-signers, or no plan would ever be taken in")
        if "/" in self.lamp:
            problems.append("lamp: the name of an LED, not a path")
        if self.buffer_mb < SMALLEST_BUFFER_MB:
            problems.append(f"buffer-mb: must be at least {SMALLEST_BUFFER_MB}")
        if problems:
            raise OptionError(problems)

    @property
    def label_pairs(self) -> tuple[tuple[str, str], ...]:
        """The labels, sorted."""
        parts = (part.partition("=") for part in _listed(self.labels))
        return tuple(sorted((key.strip(), value.strip()) for key, _, value in parts))

    @property
    def module_names(self) -> tuple[str, ...]:
        """The kernel modules, sorted, as ``/sys/module`` writes them."""
        return tuple(sorted({name.replace("-", "_") for name in _listed(self.modules)}))

    @property
    def signers(self) -> str:
        """The text for ``ssh-keygen``; empty if nobody signs."""
        lines = [line.strip() for line in self.allowed_signers.splitlines()]
        return "".join(f"{line}\n" for line in lines if line)

    @property
    def slots(self) -> dict[str, str]:
        """The two systems, as the agent's settings have them; empty where there is one."""
        if not self.slot_a:
            return {}
        return {"a": self.slot_a, "b": self.slot_b, "boot": self.slot_boot}

    @property
    def apt(self) -> dict[str, str]:
        """Where packages come from, as the agent's settings have it; empty for Ubuntu's own."""
        return self._mirror.place()

    @property
    def _mirror(self) -> package_mirror.Mirror:
        return package_mirror.Mirror(
            self.apt_mirror.strip(), self.apt_suites, self.apt_components, self.apt_keyring.strip()
        )

    def _label_problems(self) -> list[str]:
        found = [
            f"labels: {key}={value} is not KEY=VALUE of letters, digits and . _ / -"
            for key, value in self.label_pairs
            if not (_WORD.fullmatch(key) and _WORD.fullmatch(value))
        ]
        keys = [key for key, _ in self.label_pairs]
        found += [
            f"labels: {key} is there twice" for key in sorted({*keys}) if keys.count(key) > 1
        ]
        return found + [f"labels: {key} is set by the charm" for key in sorted(_OWN & {*keys})]

    def _slot_problems(self) -> list[str]:
        if bool(self.slot_a) != bool(self.slot_b):
            return ["slot-a, slot-b: both, or none"]
        if self.slot_a and self.slot_a == self.slot_b:
            return ["slot-a, slot-b: two partitions, not one"]
        paths = {"slot-a": self.slot_a, "slot-b": self.slot_b, "slot-boot": self.slot_boot}
        return [f"{k}: must be an absolute path" for k, v in paths.items() if v and v[0] != "/"]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _choice(name: str, value: str, choices: tuple[str, ...]) -> list[str]:
    return [] if value in choices else [f"{name}: must be one of {', '.join(choices)}"]


def _is_odd(module: str) -> bool:
    return not _MODULE.fullmatch(module)
