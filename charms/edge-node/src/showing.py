"""Show this machine's metrics to who scrapes them, where memory is too short to deliver.

A forwarder costs memory that a small worker's pods need more. Without one the exporter listens on
the site's network, over TLS, with a key and a certificate made here, and answers nobody but who
holds the key of a certificate that the monitor published. What is not scraped is nowhere kept: as
long as the monitor is away, samples of this machine are lost.
"""

from __future__ import annotations

import hashlib

import collection
from edgecloud import host as machines
from edgecloud.host import failures, files
from edgecloud.interfaces import node_metrics
from edgecloud.telemetry import exporter, packages
from machine_facts import GUARD

OWN, NONE, AUTO = "own", "none", "auto"
SHORT_KB = 870_400
"""Below it, the forwarder is not worth its memory; a machine sold with 1 GB shows more."""

SECRETS = {
    exporter.GUARD: GUARD,
    exporter.CERTIFICATE: f"{collection.PAGE}/server.crt",
    exporter.KEY: f"{collection.PAGE}/server.key",
    exporter.CALLERS: f"{collection.PAGE}/callers.crt",
}
"""What the exporter is lent: name of the credential → root-only file."""

_KEY, _CERTIFICATE = SECRETS[exporter.KEY], SECRETS[exporter.CERTIFICATE]
_OPENSSL = "/usr/bin/openssl"
_TIMEOUT_S = 60
_DAYS, _SPARE_S = 3650, 400 * 86400
_SECRET = 0o600


def is_wanted(option: str, memory_kb: int, *, is_let_in: bool, is_scraped: bool) -> bool:
    """Return whether a machine shows its page instead of delivering. Pure.

    Args:
        option: what the operator says.
        memory_kb: that the machine may use; 0 if it is not known.
        is_let_in: a monitor takes what this machine delivers.
        is_scraped: a monitor has said how it would be known when it scrapes.
    """
    if option != AUTO:
        return option == NONE
    # A monitor that takes samples and does not say how it scrapes is too old to do so.
    return 0 < memory_kb < SHORT_KB and (is_scraped or not is_let_in)


def attempt(
    host: machines.Host, scrapers: tuple[str, ...], address: str, *, may_install: bool
) -> str:
    """Ensure that the exporter shows its page, as far as that can be done now.

    Returns:
        Why it does not; empty if all is as it should be.
    """
    return collection.tried(
        host,
        lambda: ensure(host, scrapers, address, may_install=may_install),
        (exporter.NAME,),
    )


def ensure(
    host: machines.Host, scrapers: tuple[str, ...], address: str, *, may_install: bool
) -> None:
    """Ensure that the exporter shows its page to these scrapers, and that nothing else runs.

    Args:
        host: the machine.
        scrapers: certificates of who may see it.
        address: of this machine on the site's network.
        may_install: whether packages may be fetched now.

    Raises:
        CollectionError: packages are missing, or nobody scrapes this machine yet.
    """
    collection.ensure_packages(host, may_install, collection.PACKAGES[:1])
    if not scrapers:
        raise collection.CollectionError(
            "the monitor has not said how it scrapes: refresh it, or set forwarder=own"
        )
    if not address:
        raise collection.CollectionError("no address on the network of the relation `monitor`")
    known = packages.options(host, exporter.PROGRAM)
    if exporter.GUARD_OPTION not in known:
        raise collection.CollectionError("this node exporter knows no TLS: set forwarder=own")
    collection.stop_delivering(host)
    guard(host, scrapers)
    daemon = exporter.daemon(known, address=address, secrets=SECRETS)
    texts = "\0".join(files.read(host, path) for path in sorted(SECRETS.values()))
    fingerprint = hashlib.sha256(texts.encode()).hexdigest()[:16]
    collection.ensure_exporter(host, daemon, fingerprint)


def said(host: machines.Host, address: str, node: str, role: str) -> node_metrics.Sender:
    """Return what to tell a monitor that scrapes.

    There is a page from when it was made, whether or not it answers now: so it is missed.
    """
    if not host.exists(GUARD):
        return node_metrics.Sender(sends=False)
    return node_metrics.Sender(
        sends=False,
        page=exporter.at(address) if address else "",
        certificate=files.read(host, _CERTIFICATE),
        node=node,
        role=role,
    )


def guard(host: machines.Host, scrapers: tuple[str, ...]) -> None:
    """Ensure the files that the page needs, for these scrapers alone."""
    _ensure_certificate(host)
    callers = "".join(f"{each.strip()}\n" for each in scrapers)
    host.write(SECRETS[exporter.CALLERS], callers, mode=_SECRET)
    host.write(GUARD, exporter.guard(), mode=_SECRET)


def _ensure_certificate(host: machines.Host) -> None:
    """Ensure a key of this machine, and a certificate that it signs itself."""
    if host.exists(_KEY) and host.exists(_CERTIFICATE) and _lasts(host):
        return
    curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    host.write(_KEY, _openssl(host, "genpkey", *curve), mode=_SECRET)
    certificate = _openssl(
        host,
        *("req", "-x509", "-new", "-sha256", "-key", _KEY, "-days", str(_DAYS)),
        *("-subj", f"/CN={node_metrics.SHOWN_AS}"),
        *("-addext", f"subjectAltName=DNS:{node_metrics.SHOWN_AS}"),
        *("-addext", "extendedKeyUsage=serverAuth"),
    )
    host.write(_CERTIFICATE, certificate)


def _lasts(host: machines.Host) -> bool:
    check = (_OPENSSL, "x509", "-noout", "-in", _CERTIFICATE, "-checkend", str(_SPARE_S))
    try:
        return host.run(check, timeout_s=_TIMEOUT_S, check=False).returncode == 0
    except failures.FAILURES as error:
        raise collection.CollectionError(failures.explain(error, "openssl x509")) from error


def _openssl(host: machines.Host, *words: str) -> str:
    try:
        return host.run((_OPENSSL, *words), timeout_s=_TIMEOUT_S).stdout
    except failures.FAILURES as error:
        raise collection.CollectionError(failures.explain(error, f"openssl {words[0]}")) from error
