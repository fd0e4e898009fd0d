"""Have the door's certificate signed by an authority elsewhere, as long as there is one.

Each request has a key of its own, made here, in a file that only root may read; it goes nowhere.
The site's own authority stays. Who comes here trusts both, and learns of a new authority before
the door shows anything signed by it: so neither the change nor the way back shuts anybody out.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Collection
from dataclasses import dataclass

import authority
from edgecloud import host as hosts
from edgecloud.host import files
from edgecloud.interfaces import tls_certificates

STATE = f"{authority.FOLDER}/signed.json"
_ASKED, _NAMES, _ASKED_AT, _SINCE, _USED = "asked", "names", "asked-at", "since", "used"

LEARN_S = 180
"""What those who come here have, from when they are told of an authority, to trust it."""
ASK_AGAIN_S = 3600
"""An authority whose certificates always look old here, as with a wrong clock, is not pestered."""
SPARE_S = 900
"""A certificate is given up so long before its end, or a tenth of its life if that is less."""


@dataclass(frozen=True)
class Pair:
    """What the door shows, and the key for it."""

    certificate: str = authority.CERTIFICATE
    key: str = authority.KEY


@dataclass(frozen=True)
class Outcome:
    """What came of asking."""

    note: str = ""
    """What there is to say; empty if all is as it should be."""
    again: bool = False
    """Whether to look again soon."""


def ensure(
    host: hosts.Host, end: tls_certificates.CertificateRequirer, names: Collection[str]
) -> Outcome:
    """Ask for a certificate for these names and addresses, and use it once it may be used.

    Raises:
        AuthorityError: openssl failed.
    """
    if not end.related:
        host.remove(STATE)
        return Outcome()
    asked = _request(host, names)
    end.request(asked)
    if asked in _take_back(host, end):
        return Outcome("the certificate was revoked, the site's own is shown")
    issued = end.issued(asked)
    if issued is not None:
        problem = _take(host, issued, names)
        if problem:
            return Outcome(f"the certificate that was given {problem}: the door does not show it")
    return _outcome(host)


def in_use(host: hosts.Host) -> Pair:
    """Return what the door shows: what was signed elsewhere while it is good, or our own."""
    stem = str(files.read_state(host, STATE).get(_USED, ""))
    if not stem or not host.exists(_path(stem, "crt")):
        return Pair()
    begin, end = _life(host, _path(stem, "crt"))
    if host.now() > end - min(SPARE_S, (end - begin) / 10):
        return Pair()
    return Pair(_path(stem, "crt"), _path(stem, "key"))


def trusted(host: hosts.Host) -> str:
    """Return all authorities by which the door may be known, now or soon, as PEM."""
    state, found = files.read_state(host, STATE), files.read(host, authority.CA)
    for stem in (state.get(_USED), state.get(_ASKED)):
        text = files.read(host, _path(stem, "ca")) if stem else ""
        found += text if text not in found else ""
    return found


def sweep(host: hosts.Host) -> None:
    """Remove keys and certificates that are not needed any more, once the door has left them."""
    state = files.read_state(host, STATE)
    kept = {_path(str(state.get(which, "")), end) for which in (_ASKED, _USED) for end in _ENDS}
    for path in host.glob(_path("*", "*")):
        if path not in kept:
            host.remove(path)


_ENDS = ("key", "csr", "crt", "ca")


def _request(host: hosts.Host, names: Collection[str]) -> str:
    """Return the standing request; another one for other names, and long before an end."""
    state, wanted = files.read_state(host, STATE), authority.alternative_names(names)
    stem = str(state.get(_ASKED, ""))
    text = files.read(host, _path(stem, "csr")) if stem else ""
    if text and state.get(_NAMES) == wanted and not _is_old(host, state.get(_ASKED_AT), stem):
        return text
    stem = f"{int(host.now() * 1000):x}"
    key = _path(stem, "key")
    host.write(key, authority.new_key(host), mode=0o600)
    # Authorities want a common name; no client looks at it.
    subject = f"/CN={sorted(names)[0][:64]}"
    words = ("req", "-new", "-key", key, "-subj", subject, "-addext", wanted)
    host.write(_path(stem, "csr"), authority.openssl(host, *words))
    asked = {_ASKED: stem, _NAMES: wanted, _ASKED_AT: host.now(), _USED: state.get(_USED, "")}
    files.write_state(host, STATE, asked)
    return files.read(host, _path(stem, "csr"))


def _is_old(host: hosts.Host, asked_at: object, stem: str) -> bool:
    """Return whether less than a third is left of the life of what was given for a request."""
    if not host.exists(_path(stem, "crt")):
        return False
    if isinstance(asked_at, float) and 0 <= host.now() - asked_at < ASK_AGAIN_S:
        return False
    begin, end = _life(host, _path(stem, "crt"))
    return host.now() > end - (end - begin) / 3


def _take(host: hosts.Host, issued: tls_certificates.Issued, names: Collection[str]) -> str:
    """Keep what was given for the standing request. Return what is wrong with it, if anything."""
    state = files.read_state(host, STATE)
    stem = str(state[_ASKED])
    above = [each for each in issued.chain if each != issued.certificate]
    shown = "\n".join((issued.certificate, *above)) + "\n"
    trust = "\n".join(dict.fromkeys((issued.ca, *above))) + "\n"
    path = _path(stem, "crt")
    if files.read(host, path) == shown and files.read(host, _path(stem, "ca")) == trust:
        return ""
    problem = _problem(host, issued.certificate, _path(stem, "key"), names)
    if problem:
        return problem
    known = files.read(host, _path(str(state.get(_USED, "")), "ca"))
    host.write(_path(stem, "ca"), trust)
    host.write(path, shown)
    # Whoever trusts what is shown now has nothing to learn.
    files.write_state(host, STATE, {**state, _SINCE: 0 if trust == known else host.now()})
    return ""


def _problem(host: hosts.Host, certificate: str, key: str, names: Collection[str]) -> str:
    """Return why a certificate cannot be shown; empty if it can."""
    try:
        public = authority.openssl(host, "x509", "-noout", "-pubkey", given=certificate)
    except authority.AuthorityError:
        return "is none that openssl can read"
    if public != authority.openssl(host, "pkey", "-in", key, "-pubout"):
        return "belongs to another key"
    # By an address machines come here; names are for people.
    for address in filter(authority.is_address, names):
        said = authority.openssl(host, "x509", "-noout", "-checkip", address, given=certificate)
        if "does match" not in said:
            return f"is not for {address}"
    return ""


def _outcome(host: hosts.Host) -> Outcome:
    """Let the door show what was given, once those who come here know whom to trust."""
    state = files.read_state(host, STATE)
    stem = str(state[_ASKED])
    if not host.exists(_path(stem, "crt")):
        return Outcome("waits for a certificate")
    if state.get(_USED) != stem:
        if 0 <= host.now() - float(state.get(_SINCE, 0)) < LEARN_S:
            return Outcome("tells of the new authority before it is used", again=True)
        files.write_state(host, STATE, {**state, _USED: stem})
    if in_use(host) == Pair():
        return Outcome("the certificate has ended, the site's own is shown")
    return Outcome()


def _take_back(host: hosts.Host, end: tls_certificates.CertificateRequirer) -> list[str]:
    """Show nothing any more that was revoked. Return the requests that this is true of."""
    state, found = files.read_state(host, STATE), list[str]()
    for which in (_USED, _ASKED):
        stem = str(state.get(which, ""))
        request = files.read(host, _path(stem, "csr")) if stem else ""
        if request and end.is_revoked(request):
            found.append(request)
            host.remove(_path(stem, "crt"))
    return found


def _life(host: hosts.Host, path: str) -> tuple[float, float]:
    """Return when a certificate begins and ends."""
    said = authority.openssl(host, "x509", "-noout", "-startdate", "-enddate", "-in", path)
    begin, end = (line.partition("=")[2] for line in said.splitlines())
    return _moment(begin), _moment(end)


def _moment(text: str) -> float:
    return calendar.timegm(time.strptime(text, "%b %d %H:%M:%S %Y GMT"))


def _path(stem: str, end: str) -> str:
    return f"{authority.FOLDER}/signed-{stem}.{end}"
