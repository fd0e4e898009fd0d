"""States of a search as short tuples: ledgers and machines are numbered when first met."""

from __future__ import annotations


class Ledger:
    """A ledger as a key: its entries as a tuple, the frozen parts left out."""

    __slots__ = ("key", "rollout")

    def __init__(self, rollout):
        self.rollout = rollout
        entries = tuple(tuple(vars(entry).items()) for entry in rollout.entries.values())
        self.key = (
            entries,
            rollout.phase,
            rollout.step,
            rollout.wave,
            rollout.epoch,
            rollout.serial,
            rollout.paused,
            rollout.mode,
            rollout.ending,
            rollout.approved,
        )

    def __eq__(self, other):
        return self.key == other.key

    def __hash__(self):
        return hash(self.key)


class Numbers:
    """Numbers for values, in the order in which they are met."""

    def __init__(self):
        self.numbers, self.items = {}, []

    def of(self, value):
        number = self.numbers.setdefault(value, len(self.items))
        if number == len(self.items):
            self.items.append(value)
        return number

    def __getitem__(self, number):
        return self.items[number]


def put(items, index, value):
    return (*items[:index], value, *items[index + 1 :])


def path(parents, at):
    steps = []
    while at is not None:
        at, label = parents[at]
        steps.append(label)
    return steps[::-1]
