"""A board whose agent takes signed orders only, and the coordinator that gives them."""

import dataclasses
import functools
import subprocess

from edgecloud.agent import agent, exchange, paths, settings, signing
from edgecloud.rollout import inventory, messages, plan, state
from edgelab.pi import two_slots
from tests.agent import plans

State = state.State
ENDS = (State.DONE, State.ROLLED_BACK, State.FAILED_SAFE)


class Cut(BaseException):
    """Power went."""


@dataclasses.dataclass
class SignedBench:
    """A board, where its images come from, and who signs its plans."""

    board: object
    registry: two_slots.Registry
    key: object
    serial: int = 0
    member: inventory.Member = dataclasses.field(default_factory=lambda: inventory.Member("pi-0"))

    STEP = ""
    """The step of every order."""

    @staticmethod
    def read_plan(name, target, **changes):
        return plans.read(name, {"os": target}, **changes)

    def sign(self, accepted):
        return signed(self.key, accepted)

    def order(self, verb, accepted, signature=None):
        """Give an order, with the right signature unless another is given."""
        signature = self.sign(accepted) if signature is None else signature
        self.serial += 1
        given = messages.Order(
            (1, self.serial), messages.Verb(verb), accepted.digest, self.STEP,
            expires=1_900_000_000,
        )  # fmt: skip
        inbox = exchange.Inbox(given, accepted, self.member, signature)
        exchange.write_inbox(self.board, inbox)

    def wake(self):
        """Wake the agent, and again after each reboot that it asks for."""
        for _ in range(6):
            made = agent.Agent(self.board, settings.read(self.board), sleep=self.board.sleep)
            try:
                made.wake()
            except two_slots.Rebooted:
                continue
            return made.node
        raise AssertionError("the machine reboots for ever")

    def upgrade(self, accepted):
        for verb in ("prepare", "grant"):
            self.order(verb, accepted)
            self.wake()
        return self.finish(accepted)

    def finish(self, accepted):
        for _ in range(12):
            found = self.wake()
            if found.state in ENDS:
                return found
            if found.state in (State.IDLE, State.WAITING):
                self.order("grant" if found.state is State.WAITING else "prepare", accepted)
            self.board.sleep(60)
        raise AssertionError(f"never rests: {found}")


def trust(board, key):
    """Let a board's agent believe whoever has a key, and nobody else."""
    board.write(f"{paths.REQUIRED}/application", "#!/bin/sh\n", mode=0o755)
    public = key.with_suffix(".pub").read_text()
    board.write(paths.SIGNERS, f'{signing.IDENTITY} namespaces="{signing.NAMESPACE}" {public}')


def signed(key, accepted):
    """Return a signature of a plan."""
    return _signed(key, plan.canonical(accepted))


def make_key(folder):
    """Make a key to sign plans with; return its path."""
    path = folder / "signer"
    command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))
    subprocess.run(command, check=True, timeout=30)
    return path


@functools.cache
def _signed(key, text):
    command = ("ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", signing.NAMESPACE)
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode()
