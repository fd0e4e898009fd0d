"""Scrape machines that are too short of memory to deliver: over TLS, known by a key of our own.

Each shows a certificate that it signed itself, and that came with its relation; so nobody else can
stand in for it. It answers who holds the key of the certificate that is published here, which is
made here, lies in a file that only root may read, and goes nowhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

import authority
from edgecloud import host as hosts
from edgecloud.host import files
from edgecloud.interfaces import node_metrics
from edgecloud.telemetry import scrape

KEY = f"{authority.FOLDER}/scraper.key"
CERTIFICATE = f"{authority.FOLDER}/scraper.crt"
FOLDER = "/etc/edge-monitor/shown"
"""What each machine shows: a certificate, by the name of its unit."""

_LONGEST = 16_384


@dataclass(frozen=True)
class Page:
    """Where a machine shows its metrics."""

    at: str
    """Address and port."""
    certificate: str
    node: str = ""
    role: str = ""


def page(machine: node_metrics.Machine) -> Page | None:
    """Return where a machine shows its metrics; None if it delivers them."""
    if machine.sends or not is_elsewhere(machine.page) or not is_readable(machine.certificate):
        return None
    return Page(machine.page, machine.certificate, machine.node, machine.role)


def is_elsewhere(at: str) -> bool:
    """Return whether this is an address with a port, and none of this machine's own."""
    host, _, port = at.rpartition(":")
    if "%" in host:
        return False  # Behind it, in version 6, may stand anything.
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    near = any(each.is_loopback or each.is_unspecified for each in (address, mapped) if each)
    return port.isdigit() and 0 < int(port) < 65536 and not near


def is_readable(certificate: str) -> bool:
    """Return whether this is a certificate; with one that is none, nothing at all is scraped."""
    if len(certificate) > _LONGEST or not certificate.isascii():
        return False
    import ssl  # Only who has machines that show pays for it.

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError):
        return False
    return True


def job(unit: str, page: Page, topology: Mapping[str, str]) -> scrape.Job:
    """Return how a machine is scraped. Whose its samples are is said here, not by itself."""
    labels = {"node": page.node, "role": page.role}
    return scrape.Job(
        "node",
        ((page.at, {**{key: text for key, text in labels.items() if text}, **topology}),),
        scheme="https",
        ca_file=f"{FOLDER}/{unit.replace('/', '-')}.crt",
        server_name=node_metrics.SHOWN_AS,
        cert_file=CERTIFICATE,
        key_file=KEY,
    )


def ensure(host: hosts.Host, certificates: Mapping[str, str]) -> None:
    """Ensure that what machines show lies where it is looked for, and nothing else does."""
    for path in host.glob(f"{FOLDER}/*"):
        if path not in certificates:
            host.remove(path)
    for path, certificate in certificates.items():
        host.write(path, certificate.strip() + "\n", mode=0o600)


def ensure_key(host: hosts.Host) -> str:
    """Return the certificate of who scrapes here; made once, with its key.

    Raises:
        AuthorityError: openssl failed.
    """
    if not host.exists(KEY) or not authority.lasts(host, CERTIFICATE, authority.CA_SPARE_DAYS):
        host.write(KEY, authority.new_key(host), mode=0o600)
        certificate = authority.openssl(
            host,
            *("req", "-x509", "-new", "-sha256", "-key", KEY, "-days", str(authority.CA_DAYS)),
            *("-subj", "/CN=edge-monitor-scraper", "-addext", "extendedKeyUsage=clientAuth"),
        )
        host.write(CERTIFICATE, certificate)
    return files.read(host, CERTIFICATE)
