"""Join tokens of this node's cluster agent: made, known again, and made useless in time.

Whoever holds one can have the key of the cluster's authority. A token for one use never expires
by itself; one with a lifetime works for anybody until it ends. So every token that the charm makes
is remembered by its digest, which tells it from others' and is of no use to anybody.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection

import microk8s
from edgecloud import host
from edgecloud.host import failures, files

_MINT_S = 30


@dataclasses.dataclass(frozen=True)
class Loan:
    """A token that one unit holds for a while."""

    unit: str
    until: float
    """In seconds since 1970 UTC."""
    seal: str
    """The fingerprint in its join address, of the certificate that this node had then."""


def mint(host: host.Host, address: str) -> str:
    """Return a join URL for one use at one address of this node, with its fingerprint in it."""
    token = _make(host)
    minted = files.read_state(host, microk8s.MINTED)
    minted[_digest(token)] = host.now()
    files.write_state(host, microk8s.MINTED, minted)
    return f"{address}:{microk8s.AGENT_PORT}/{token}"


def has_minted(host: host.Host) -> bool:
    """Return whether a token that :func:`mint` made is still good."""
    return bool(files.read_state(host, microk8s.MINTED))


def revoke(host: host.Host, url: str) -> bool:
    """Make a join URL useless. Return whether it still worked."""
    return _drop(host, {_digest(url.partition("/")[2])}) > 0


def prune(host: host.Host, *, older_than_s: float) -> int:
    """Make the tokens useless that :func:`mint` made this long ago. Return how many there were.

    Tokens that others made stay.
    """
    minted = files.read_state(host, microk8s.MINTED)
    limit = host.now() - older_than_s
    old = {token for token, made in minted.items() if float(made) <= limit}
    return _drop(host, old) if old else 0


# --- tokens for the way back ---------------------------------------------------------------------


def lend(host: host.Host, address: str, *, unit: str, lifetime_s: int) -> tuple[str, float]:
    """Return a join URL that one unit may use for a while, as often as it takes, and its end.

    An attempt that fails half-way uses a token for one use up, and then nothing leads back.
    """
    until = float(int(host.now()) + lifetime_s)
    token = _make(host, f"--token-ttl={lifetime_s}")
    lent = files.read_state(host, microk8s.LENT)
    seal = token.partition("/")[2]
    lent[_digest(token)] = dataclasses.asdict(Loan(unit, until, seal))
    files.write_state(host, microk8s.LENT, lent)
    return f"{address}:{microk8s.AGENT_PORT}/{token}", until


def is_good(host: host.Host, unit: str, until: float) -> bool:
    """Return whether what was lent to a unit until then still lets it in.

    A node that was installed anew knows none of its tokens, and one with another certificate is
    not the one that the address names.
    """
    known = {_digest(line.partition("|")[0]) for line in _lines(host)}
    certificate = files.read(host, f"{microk8s.CERTS}/server.crt")
    seal = microk8s.digest_of(certificate) if certificate else ""
    return any(
        loan.unit == unit and loan.until == until and seal.startswith(loan.seal or "-")
        for token, loan in _loans(host).items()
        if token in known
    )


def take_back(host: host.Host, *, but: Collection[str]) -> int:
    """Make useless what was lent to other units than these, or ended. Return how many there were.

    What was lent to a unit before its present token stays good to its end: the unit may be on its
    way back with the older one, and out of reach.
    """
    old = {
        token
        for token, loan in _loans(host).items()
        if loan.unit not in but or loan.until <= host.now()
    }
    return _drop(host, old) if old else 0


def _loans(host: host.Host) -> dict[str, Loan]:
    return {token: Loan(**loan) for token, loan in files.read_state(host, microk8s.LENT).items()}


# --- MicroK8s' own list --------------------------------------------------------------------------


def _make(host: host.Host, *options: str) -> str:
    """Return a new token with the fingerprint of this node's certificate."""
    command = (microk8s.MICROK8S, "add-node", "--format", "json", *options)
    before = files.read(host, microk8s.TOKENS)
    try:
        text = host.run(command, timeout_s=_MINT_S).stdout
    except failures.FAILURES as error:
        # It may have made a token all the same, which nobody would know of.
        if files.read(host, microk8s.TOKENS) != before:
            files.rewrite(host, microk8s.TOKENS, before)
        raise microk8s.MicroK8sError(failures.explain(error, "microk8s add-node")) from error
    try:
        return str(json.loads(text)["token"])
    except (ValueError, KeyError, TypeError) as error:
        # The text may hold a token, so it must not get into the message.
        raise microk8s.MicroK8sError("microk8s add-node printed no token") from error


def _drop(host: host.Host, digests: Collection[str]) -> int:
    lines = _lines(host)
    kept = [line for line in lines if _digest(line.partition("|")[0]) not in digests]
    if kept != lines:
        files.rewrite(host, microk8s.TOKENS, "".join(f"{line}\n" for line in kept))
    for path in (microk8s.MINTED, microk8s.LENT):
        known = files.read_state(host, path)
        left = {token: of for token, of in known.items() if token not in digests}
        if left != known:
            files.write_state(host, path, left)
    return len(lines) - len(kept)


def _lines(host: host.Host) -> list[str]:
    return files.read(host, microk8s.TOKENS).splitlines()


def _digest(token: str) -> str:
    """Return what the charm remembers of a token: enough to know it again, not to use it."""
    return hashlib.sha256(token.partition("/")[0].strip().encode()).hexdigest()
