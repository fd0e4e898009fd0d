"""When a node's certificates expire, which names they hold, and when to issue them again.

MicroK8s issues ``server.crt`` and ``front-proxy-client.crt`` for 365 days and never again by
itself. Issuing ``server.crt`` changes the fingerprint that join tokens carry, and restarts the
API server: one node at a time, and not while somebody joins.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgecloud import host as hosts
from edgecloud.host import failures, files

FOLDER = "/var/snap/microk8s/current/certs"
TEMPLATE = f"{FOLDER}/csr.conf.template"
STATE = "/var/lib/edge-microk8s/certificates.json"
MICROK8S = "/snap/bin/microk8s"
OPENSSL = "/usr/bin/openssl"

CA = "ca.crt"
SERVER = "server.crt"
FRONT_PROXY = "front-proxy-client.crt"

DAY_S = 86400
RENEW_S = 30 * DAY_S
WARN_CA_S = 365 * DAY_S
PAUSE_S = 6 * 3600
"""At most one attempt in this time, so that addresses that come and go cause no storm."""
PAUSE_EXPIRED_S = 1800

OPENSSL_TIMEOUT_S = 30
RENEW_TIMEOUT_S = 240

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_END = re.compile(r"notAfter=(\w{3})\s+(\d+) (\d+):(\d+):(\d+) (\d{4}) GMT")
_NAMES = re.compile(r"(?:DNS|IP Address):([^,\s]+)")
_OURS = "# names of edge-microk8s"
_MORE = "#MOREIPS"


class CertificatesError(failures.WorkloadError):
    """A certificate could not be read or issued."""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What matters of one certificate."""

    expires: float
    names: tuple[str, ...] = ()

    def days_left(self, now: float) -> int:
        """Return how many whole days it is still good for; negative once it has expired."""
        return int((self.expires - now) // DAY_S)


@dataclasses.dataclass(frozen=True)
class Decision:
    """Which certificates to issue now, and why; or why not although it is called for."""

    renew: tuple[str, ...] = ()
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.renew)


def parse(text: str) -> Certificate:
    """Return what ``openssl x509 -enddate -ext subjectAltName`` printed.

    Raises:
        ValueError: it holds no date.
    """
    match = _END.search(text)
    if match is None or match[1] not in _MONTHS:
        raise ValueError("no notAfter date")
    day, hour, minute, second, year = (int(number) for number in match.groups()[1:])
    moment = datetime.datetime(
        year, _MONTHS.index(match[1]) + 1, day, hour, minute, second, tzinfo=datetime.timezone.utc
    )
    return Certificate(moment.timestamp(), tuple(sorted(map(_normal, _NAMES.findall(text)))))


def wanted_names(extra: Iterable[str], addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the names and addresses that ``server.crt`` has to hold."""
    return tuple(sorted({_normal(name) for name in (*extra, *addresses) if name}))


def decide(
    present: Mapping[str, Certificate], wanted: Iterable[str], *, tried: float, now: float
) -> Decision:
    """Return which certificates to issue now.

    Args:
        present: the certificates by file name.
        wanted: what :func:`wanted_names` returned.
        tried: when the last attempt began; 0 if there was none.
        now: seconds since 1970 UTC.
    """
    reasons: dict[str, str] = {}
    for name in (SERVER, FRONT_PROXY):
        if name in present and present[name].expires - now < RENEW_S:
            days = present[name].days_left(now)
            reasons[name] = f"{name} expires in {days} days" if days >= 0 else f"{name} expired"
    server = present.get(SERVER)
    missing = sorted(set(wanted) - set(server.names)) if server else []
    if missing and SERVER not in reasons:
        reasons[SERVER] = f"{SERVER} lacks {', '.join(missing)}"
    if not reasons:
        return Decision()
    expired = any(name in present and present[name].expires <= now for name in reasons)
    pause = PAUSE_EXPIRED_S if expired else PAUSE_S
    because = "; ".join(reasons.values())
    if 0 <= now - tried < pause:
        return Decision((), f"{because}; waits {int(pause - (now - tried))} s more")
    return Decision(tuple(reasons), because)


def warnings(present: Mapping[str, Certificate], now: float) -> tuple[str, ...]:
    """Return what the operator ought to plan for."""
    authority = present.get(CA)
    if authority is None or authority.expires - now > WARN_CA_S:
        return ()
    days = authority.days_left(now)
    when = f"expires in {days} days" if days >= 0 else "has expired"
    return (f"the cluster's certificate authority {when}: every node must join anew after it",)


# --- on the machine ----------------------------------------------------------------------------


def read(host: hosts.Host) -> dict[str, Certificate]:
    """Return this node's certificates by file name. A worker has but the authority's.

    What was read is remembered until a file changes, so that a quiet hook starts no process.

    Raises:
        CertificatesError: openssl could not read one.
    """
    state = files.read_state(host, STATE)
    known: dict[str, Any] = state.get("known", {})
    found: dict[str, Any] = {}
    for name in (CA, SERVER, FRONT_PROXY):
        text = files.read(host, f"{FOLDER}/{name}")
        if not text:
            continue
        remembered: dict[str, Any] = known.get(name, {})
        digest = hashlib.sha256(text.encode()).hexdigest()
        if remembered.get("digest") != digest:
            remembered = {"digest": digest, **dataclasses.asdict(_inspect(host, name))}
        found[name] = remembered
    if found != known:
        files.write_state(host, STATE, {**state, "known": found})
    return {
        name: Certificate(float(item["expires"]), tuple(item["names"]))
        for name, item in found.items()
    }


def tried(host: hosts.Host) -> float:
    """Return when the last attempt to issue certificates began; 0 if there was none."""
    return float(files.read_state(host, STATE).get("tried", 0))


def ensure_names(host: hosts.Host, extra: Sequence[str]) -> bool:
    """Ensure that the request for ``server.crt`` names these. Return whether anything changed.

    An unclustered node issues the certificate by itself within seconds then, a clustered one
    only by :func:`renew`.
    """
    text = files.read(host, TEMPLATE)
    wanted = request(text, extra)
    return bool(text) and wanted != text and files.rewrite(host, TEMPLATE, wanted)


def request(template: str, extra: Iterable[str]) -> str:
    """Return the template of the request with these names in it, and no others of ours."""
    kept: list[str] = []
    ours = False
    for line in template.splitlines():
        if line == _OURS:
            ours = True
        elif not (ours and re.match(r"(DNS|IP)\.9\d\d = ", line)):
            ours = False
            kept.append(line)
    names = sorted({_normal(name) for name in extra if name})
    lines = [
        f"{'IP' if _is_address(name) else 'DNS'}.{900 + number} = {name}"
        for number, name in enumerate(names)
    ]
    if lines and _MORE in kept:
        at = kept.index(_MORE)
        kept[at:at] = [_OURS, *lines]
    return "\n".join(kept) + "\n"


def renew(host: hosts.Host, names: Sequence[str]) -> None:
    """Issue certificates, and look whether they are new.

    The attempt is noted before it begins: one that kills the machine is not repeated at once.

    Raises:
        CertificatesError: MicroK8s refused, or says that it did and did not.
    """
    files.write_state(host, STATE, {**files.read_state(host, STATE), "tried": host.now()})
    for name in names:
        before = files.read(host, f"{FOLDER}/{name}")
        try:
            host.run((MICROK8S, "refresh-certs", "-e", name), timeout_s=RENEW_TIMEOUT_S)
        except failures.FAILURES as e:
            raise CertificatesError(failures.explain(e, f"refresh-certs -e {name}")) from e
        if files.read(host, f"{FOLDER}/{name}") == before:
            # On a worker the command prints a sentence, does nothing and exits 0.
            raise CertificatesError(f"refresh-certs -e {name} left the certificate as it was")


def refresh(host: hosts.Host, wanted: Sequence[str], *, force: bool = False) -> dict[str, str]:
    """Issue what is due, or everything if forced, and return the results of the action.

    Raises:
        CertificatesError: a certificate could not be read or issued.
    """
    now = host.now()
    decision = decide(read(host), wanted, tried=tried(host), now=now)
    if force:
        decision = Decision((SERVER, FRONT_PROXY), "asked for")
    if decision:
        renew(host, decision.renew)
    results = {"renewed": " ".join(decision.renew) or "none", "reason": decision.reason or "good"}
    for name, certificate in read(host).items():
        results[name.removesuffix(".crt")] = f"{certificate.days_left(now)} days left"
    return results


def _inspect(host: hosts.Host, name: str) -> Certificate:
    command = (OPENSSL, "x509", "-noout", "-enddate", "-ext", "subjectAltName")
    try:
        result = host.run(
            command, timeout_s=OPENSSL_TIMEOUT_S, stdin=host.read(f"{FOLDER}/{name}")
        )
        return parse(result.stdout)
    except failures.FAILURES as e:
        raise CertificatesError(f"cannot read {name}: {failures.explain(e, 'openssl')}") from e
    except ValueError as e:
        raise CertificatesError(f"cannot read {name}: {e}") from e


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _normal(name: str) -> str:
    """Return one spelling of a name or address: IPv6 has many."""
    return str(ipaddress.ip_address(name)) if _is_address(name) else name.lower()
