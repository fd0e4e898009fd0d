"""The boundaries at which power is cut, taken from the state table."""

from edgecloud.rollout import state

BACK = (
    state.State.ROLLING_BACK,
    state.State.ROLLBACK_VALIDATING,
    state.State.UNCORDONING,
    state.State.ROLLED_BACK,
)
"""What a node passes that goes back."""


class Cut(BaseException):
    """Power went at a boundary of the agent."""


def boundaries(states):
    """Return what the table says can be interrupted in these states."""
    found = [f"{when} writing {each.value}" for each in states for when in ("before", "after")]
    for each in states:
        effect = state.EFFECTS.get(each)
        if effect:
            found += [f"{when} {effect.value} in {each.value}" for when in ("before", "after")]
    return found


def pulling(boundary):
    """Return what pulls the plug at a boundary."""

    def pull(name):
        if name == boundary:
            raise Cut

    return pull
