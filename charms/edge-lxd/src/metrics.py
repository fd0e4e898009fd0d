"""Metrics of this member and its instances, shown to a certificate that is good for no more."""

from __future__ import annotations

from edgecloud import host as machines
from edgecloud.host import failures
from edgecloud.interfaces import cos_agent
from edgecloud.lxd import certificates, client, server

CERTIFICATE = "/var/lib/edge-lxd/metrics-client.crt"
KEY = "/var/lib/edge-lxd/metrics-client.key"
AUTHORITY = "/var/lib/edge-lxd/metrics-server.crt"

PORT = 8444
OPENSSL = "/usr/bin/openssl"

_DAYS = 3650
_TIMEOUT_S = 60


class MetricsError(failures.WorkloadError):
    """The certificate could not be made."""


def ensure(host: machines.Host, lxd: client.Client, name: str, address: str) -> bool:
    """Have this member show metrics to one certificate of its own. Return whether it changed.

    Raises MetricsError and errors.LxdError.
    """
    fresh = _ensure_certificate(host, name)
    pem = host.read(CERTIFICATE)
    trusted = certificates.ensure(lxd, pem, name=f"metrics-{name}", kind=certificates.METRICS)
    listen = f"{address.rpartition(':')[0]}:{PORT}"
    keys = {"core.metrics_address": listen, "core.metrics_authentication": "true"}
    now = server.get(lxd)
    # LXD does not show a key that has its default value. Unsetting the second one on an old
    # release leaves the metrics open, so it is set.
    shown = {"core.metrics_authentication": "true", **now.config}
    changed = any(shown.get(key) != value for key, value in keys.items())
    if changed:
        server.ensure_config(lxd, keys)
    return host.write(AUTHORITY, now.certificate) or fresh or trusted or changed


def revoke(host: machines.Host, lxd: client.Client) -> bool:
    """Have nobody trust this machine's certificate any more. Return whether somebody did."""
    if not host.exists(CERTIFICATE):
        return False
    found = certificates.fingerprint(host.read(CERTIFICATE))
    return certificates.ensure_absent(lxd, found)


def remove(host: machines.Host) -> None:
    """Take the certificate off this machine."""
    for path in (KEY, CERTIFICATE, AUTHORITY):
        host.remove(path)


def jobs(name: str, address: str, server_name: str) -> list[cos_agent.ScrapeJob]:
    """Return where an agent on this machine finds the metrics.

    Args:
        name: of the member.
        address: of the member, with or without a port.
        server_name: which the certificate of the cluster has: its first member's.
    """
    tls = {
        "ca_file": AUTHORITY,
        "cert_file": CERTIFICATE,
        "key_file": KEY,
        "server_name": server_name,
    }
    job = cos_agent.ScrapeJob(
        name="lxd",
        host=address.rpartition(":")[0],
        port=PORT,
        path="/1.0/metrics",
        scheme="https",
        labels={"member": name},
        tls=tls,
    )
    return [job]


def server_name(host: machines.Host) -> str:
    """Return the name in the certificate that LXD shows; empty if it has none."""
    try:
        command = (OPENSSL, "x509", "-noout", "-subject", "-nameopt", "multiline")
        text = host.run(command, timeout_s=_TIMEOUT_S, stdin=host.read(AUTHORITY)).stdout
    except (*failures.FAILURES, FileNotFoundError):
        return ""
    rows = (line.partition("=") for line in text.splitlines())
    found = next((value for key, _, value in rows if key.strip() == "commonName"), "")
    return found.strip().rpartition("@")[2]


def _ensure_certificate(host: machines.Host, name: str) -> bool:
    if host.exists(KEY) and host.exists(CERTIFICATE):
        return False
    curve = "ec_paramgen_curve:P-256"
    try:
        key = host.run(
            (OPENSSL, "genpkey", "-algorithm", "EC", "-pkeyopt", curve), timeout_s=_TIMEOUT_S
        ).stdout
        host.write(KEY, key, mode=0o600)
        command = (OPENSSL, "req", "-x509", "-new", "-key", KEY, "-days", str(_DAYS))
        subject = ("-subj", f"/CN=metrics-{name}")
        made = host.run((*command, *subject), timeout_s=_TIMEOUT_S).stdout
    except failures.FAILURES as error:
        raise MetricsError(failures.explain(error, "openssl")) from error
    host.write(CERTIFICATE, made)
    return True
