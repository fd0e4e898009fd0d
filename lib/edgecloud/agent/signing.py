"""Whether a plan was signed by somebody whom this machine trusts, by OpenSSH and nothing else."""

from __future__ import annotations

from edgecloud import host
from edgecloud.agent import paths
from edgecloud.host import failures

SSH_KEYGEN = "/usr/bin/ssh-keygen"
NAMESPACE = "edgecloud-plan"
IDENTITY = "plan"
"""The principal that keys for plans have in the file of allowed signers."""

_FILE = f"{paths.HOME}/plan.sig"
_TIMEOUT_S = 30


class SignatureError(Exception):
    """There is no signature, or not one to trust."""


def verify(machine: host.Host, text: str, signature: str) -> None:
    """Check a signature of a text; raise :class:`SignatureError` unless it is good."""
    if not signature:
        raise SignatureError("the plan is not signed")
    if not machine.exists(paths.SIGNERS):
        raise SignatureError("no signer is trusted on this machine")
    machine.write(_FILE, signature, mode=0o600)
    try:
        machine.run(_command(machine, _FILE), timeout_s=_TIMEOUT_S, stdin=text)
    except failures.FAILURES as e:
        raise SignatureError(failures.explain(e, "the plan's signature")) from e
    finally:
        machine.remove(_FILE)


def _command(machine: host.Host, signature: str) -> tuple[str, ...]:
    signers = str(machine.path(paths.SIGNERS))
    options = ("-f", signers, "-I", IDENTITY, "-n", NAMESPACE)
    return (SSH_KEYGEN, "-Y", "verify", *options, "-s", str(machine.path(signature)))
